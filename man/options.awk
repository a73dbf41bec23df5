# Makes mdoc(7) of src/base/options.def, and puts it where ctxalloc.3.in says @OPTIONS@.
FNR == NR { list = list $0 "\n"; next }
$0 != "@OPTIONS@" { print; next }
{
    print ".Bl -tag -width indent"
    sub(/^[^\n]*\*\/\n/, "", list)
    gsub(/\/\*([^*]|\*[^\/])*\*\//, "", list)
    gsub(/"[ \n]+"/, "", list) # strings that follow each other are one
    count = split(list, options, /CA_OPTION_/)
    for (i = 2; i <= count; i++) {
        option = options[i]
        words = option ~ /^(WORD|TEXT)/
        sub(/^[A-Z]+\(/, "", option)
        split(option, fields, /, */)
        match(option, /"[^"]*"\)/)
        help = substr(option, RSTART + 1, RLENGTH - 3)
        match(option, /"[^"]*"/)
        range = words ? substr(option, RSTART + 1, RLENGTH - 2) : fields[3] "-" fields[4]
        printf ".It Cm %s Ns = Ns Ar %s Pq default %s\n%s.\n", fields[1], range, fields[2], help
    }
    print ".El"
}
