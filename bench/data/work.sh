# Work for the bash benchmark: arrays, associative arrays, substitutions, functions, a few subshells.  Prints a checksum.
seed=42
below() { seed=$(((seed * 1103515245 + 12345) % 2147483648)); number=$((seed / 65536 % $1)); }

declare -A index
declare -a list
for ((i = 0; i < 5000; i++)); do
	below 3000
	word="word$number"
	index[$word]+="$i "
	list+=("$word-$i")
done
sum=0
for word in "${!index[@]}"; do
	positions=(${index[$word]})
	sum=$((sum + ${#positions[@]} * ${#word}))
done
joined="${list[*]}"
joined="${joined//word/W}"
for ((i = 0; i < 10; i++)); do
	part=$(echo "${joined:i*100:2000}")
	sum=$((sum + ${#part}))
done
echo "$sum"
