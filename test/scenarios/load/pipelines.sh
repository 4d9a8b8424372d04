# Pipelines, substitutions, here-documents, a coprocess and jobs in the background, one after the other, as fast as they go.
set -e -o pipefail
coproc double { while read -r n; do echo $((n * 2)); done; }
for ((n = 1; ; n++)); do
  [ "$(seq "$n" | tail -n 1 | tr -d '\n' | cat)" = "$n" ]
  [ "$(cat <<X
$n
X
)" = "$n" ]
  (exit 7) & wait $! && exit 1 || [ $? = 7 ]
  cmp -s <(seq 1000) <(seq 1000 | sort -n)
  echo "$n" >&"${double[1]}" && read -r twice <&"${double[0]}" && [ "$twice" = $((n * 2)) ]
  sleep 0.002
  echo "round $n"
done
