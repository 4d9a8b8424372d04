// `stasis completion bash|zsh`: functions that complete our command lines, from the tables of commands and options.
import { type OptionName, options } from "../options/index.js";
import { Misused } from "./command-line.js";
import { about, commandNames } from "./commands.js";
import { hasNoForm, optionsOf } from "./help.js";

/** Result: the exit status. */
export function completionCommand(operands: readonly string[]): number {
  const [shell = "", ...more] = operands;
  const script = more.length === 0 && Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined) throw new Misused("usage: stasis completion bash|zsh");
  process.stdout.write(script());
  return 0;
}

const scripts: Readonly<Record<string, () => string>> = { bash: bashCompletion, zsh: zshCompletion };

/** All that an option may be written as, with `=` where its argument is joined. */
function formsOf(name: OptionName): string[] {
  const { cli = "", short, argument } = options[name];
  const long = argument === "optional" ? [`--${cli}`, `--${cli}=`] : [`--${cli}`];
  return [...(short === undefined ? [] : [`-${short}`]), ...long, ...(hasNoForm(name) ? [`--no-${cli}`] : [])];
}

type Argument = "words" | "directory" | "file" | "other";
function argumentOf(name: OptionName): Argument {
  const { placeholder = "", words } = options[name];
  if (words !== undefined) return "words";
  if (placeholder === "DIRECTORY") return "directory";
  return placeholder === "FILE" || placeholder === "SOCKET" ? "file" : "other";
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export function bashCompletion(): string {
  const perCommand = commandNames.map((command) => {
    const words = [...(about(command).words ?? []), ...optionsOf(command).flatMap(formsOf), "--help"];
    return `    ${command}) words=${quote(words.join(" "))} ;;`;
  });
  return `# Completion of stasis for bash. Made by: stasis completion bash
_stasis() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command= words= index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
    ${commandNames.join("|")}) command=\${COMP_WORDS[index]}; break ;;
    esac
  done
  case $before in
${bashArguments().join("\n")}
  esac
  case $command in
    '') words=${quote([...commandNames, "--help", "--version"].join(" "))} ;;
${perCommand.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ \${#COMPREPLY[@]} -eq 0 && $word != -* ]] && COMPREPLY=($(compgen -f -- "$word"))
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace
  return 0
}
complete -o filenames -F _stasis stasis
`;
}

/** What comes behind an option that needs an argument. */
function bashArguments(): string[] {
  return allOptions()
    .filter((name) => options[name].argument === "required")
    .map((name) => {
      const actions: Readonly<Record<Argument, string>> = {
        words: `COMPREPLY=($(compgen -W ${quote((options[name].words ?? []).join(" "))} -- "$word"))`,
        directory: 'COMPREPLY=($(compgen -d -- "$word"))',
        file: 'COMPREPLY=($(compgen -f -- "$word"))',
        other: ":",
      };
      return `    ${formsOf(name).join("|")}) ${actions[argumentOf(name)]}; return 0 ;;`;
    });
}

const allOptions = () => [...new Set(commandNames.flatMap(optionsOf))];

export function zshCompletion(): string {
  const perCommand = commandNames.map((command) => {
    const specs = optionsOf(command).flatMap(zshSpecs);
    const words = about(command).words;
    const rest = words === undefined ? "'*:file:_files'" : `'1:what:(${words.join(" ")})' '*:file:_files'`;
    return `    ${command})\n      _arguments -s ${["'--help[show help]'", ...specs, rest].join(" \\\n        ")}\n      ;;`;
  });
  const described = commandNames.map((name) => `    ${quote(`${name}:${about(name).summary}`)}`);
  return `#compdef stasis
# Completion of stasis for zsh. Made by: stasis completion zsh
_stasis() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${perCommand.join("\n")}
  esac
}
compdef _stasis stasis
`;
}

/** "-D+[the images]:directory:_files -/", as _arguments of zshcompsys(1) takes it. */
function zshSpecs(name: OptionName): string[] {
  const { cli = "", short, argument, summary, placeholder = "value", words = [] } = options[name];
  const text = summary.replaceAll(/[[\]:\\]/g, (character) => `\\${character}`);
  const actions: Readonly<Record<Argument, string>> = {
    words: `(${words.join(" ")})`,
    directory: "_files -/",
    file: "_files",
    other: "",
  };
  const after = argument === "none" ? "" : `:${placeholder.toLowerCase()}:${actions[argumentOf(name)]}`;
  const sign = argument === "none" ? "" : argument === "optional" ? "=-" : "=";
  const forms = [`--${cli}${sign}`, ...(short === undefined ? [] : [`-${short}${argument === "none" ? "" : "+"}`])];
  const negative = hasNoForm(name) ? [quote(`--no-${cli}[not: ${text.replaceAll(":", "")}]`)] : [];
  return [...forms.map((form) => quote(`${form}[${text}]${after}`)), ...negative];
}
