# Work for bash.sh; run as a script of its own, so that the shell itself is the program under test.
set -u
declare -A table
declare -a list

x=7
for ((i = 0; i < 15000; i++)); do
    x=$(((x * 1103515245 + 12345) % 2147483648))
    table[k$((x >> 8 & 2047))]+="$i,"
    list[x >> 8 & 4095]="value $i $x"
    ((i % 5)) || unset "table[k$((i & 2047))]"
done
sum=0
for key in "${!table[@]}"; do sum=$((sum + ${#table[$key]})); done
echo "table ${#table[@]} $sum list ${#list[@]}"
printf '%s\n' "${list[@]}" | cksum

text=
for ((i = 0; i < 3000; i++)); do text+="word$i "; done
changed=${text//word1/X}
upper=${changed^^}
echo "${#text} ${#changed} ${upper:5000:60} ${text##*word}"
read -ra words <<<"$text"
echo "${#words[@]} ${words[1234]}"

fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
echo "fib $(fib 9)"

deep() { if (($1 > 0)); then local copy="$2$1"; deep $(($1 - 1)) "$copy"; else echo "deep ${#2}"; fi; }
deep 400 start

mapfile -t lines < <(for ((i = 0; i < 5000; i++)); do echo "line $i of a process substitution"; done)
echo "${#lines[@]} ${lines[4999]}"

cat <<END | while read -r a b rest; do echo "$b $a $rest"; done
one two three
$(for i in 1 2 3; do echo "$i $((i * i)) $((i * i * i))"; done)
END

trap 'echo trapped' USR1
kill -USR1 $$
(for i in {1..2000}; do local_list+=("$i"); done; exit "${#local_list[5]}")
echo "subshell $?"
if [[ "key=value; other=thing" =~ ^([a-z]+)=([a-z]+).*=(.*)$ ]]; then echo "${BASH_REMATCH[@]}"; fi
eval "$(printf 'v%d=%d;' $(seq 1 2 4000))"
echo "$v1997"
exit 11
