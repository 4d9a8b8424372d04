// The table of options and what is done with it: options from a request or a command line, as one immutable object.
import type { CriuOpts } from "../protocol/gen/rpc_pb.js";
import { StasisError } from "../report/error.js";
import { BadText, meansSomething, type Operation, type Option, type RpcField, type ValueOf } from "./option.js";
import { refusals } from "./refused.js";
import { supported } from "./supported.js";

export { meansSomething, type Operation, type RpcField } from "./option.js";
export type { InheritedFd } from "./supported.js";

const table = { ...supported, ...refusals } as const;
export type OptionTable = typeof table;
export type OptionName = keyof OptionTable;
export const options: Readonly<Record<OptionName, Option<unknown>>> = table;
const shownAs = (name: OptionName) => options[name].cli ?? name;
/** In the order of a manual. */
export const optionNames = (Object.keys(table) as OptionName[]).sort((a, b) => (shownAs(a) < shownAs(b) ? -1 : 1));

type Unread = Exclude<RpcField, (typeof table)[OptionName]["rpc"]>;
/** Every field of CriuOpts has its row: a new one in rpc.proto stops the build here, by its name. */
export const everyFieldHasARow: [Unread] extends [never] ? true : Unread = true;

/** What operations see: every supported option, with its default where it was not given. */
export type Options = { readonly [K in keyof typeof supported]: ValueOf<(typeof supported)[K]> };
/** What a client or a command line gave, as the rows read it. */
export type Given = { readonly [K in OptionName]?: unknown };

/** What a request asks for. */
export function givenIn(opts: CriuOpts): Given {
  const read = optionNames.map((name) => [name, options[name].fromRpc(opts)] as const);
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

/**
 * Options for one operation. What means nothing to it is passed over, as CRIU does.
 * @throws StasisError OPTION_UNSUPPORTED or OPTION_INVALID, by the name of the option
 */
export function settle(given: Given, operation: Operation): Options {
  for (const name of optionNames) {
    const value = given[name];
    if (value !== undefined && meansSomething(options[name], operation)) refuse(name, value, operation);
  }
  const settled = Object.keys(supported).map((name) => [
    name,
    given[name as OptionName] ?? options[name as OptionName].default,
  ]);
  // The rows gave the values, each of the type of its row.
  return Object.fromEntries(settled) as unknown as Options;
}

function refuse(name: OptionName, value: unknown, operation: Operation): void {
  const objection = options[name].objection(value);
  if (objection === undefined) return;
  const about = { doing: `${operation} with`, subject: { kind: "option", name: shownName(name) } } as const;
  const { reason } = objection;
  throw objection.kind === "invalid"
    ? new StasisError({ code: "OPTION_INVALID", ...about, reason })
    : new StasisError({ code: "OPTION_UNSUPPORTED", ...about, reason, remedy: objection.remedy });
}

/** The word of the command line, or of criurpc where there is none. */
export function shownName(name: OptionName): string {
  const { cli, rpc = name } = options[name];
  return cli ?? rpc.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Reads one occurrence of an option on the command line after `earlier` ones. @throws StasisError OPTION_INVALID */
export function readText(name: OptionName, text: string, earlier: unknown): unknown {
  const option = options[name];
  try {
    const value = option.fromText(text);
    return earlier === undefined ? value : option.merge(earlier, value);
  } catch (error) {
    if (!(error instanceof BadText)) throw error;
    const subject = { kind: "option", name: shownName(name) } as const;
    throw new StasisError({ code: "OPTION_INVALID", doing: "read", subject, reason: error.message });
  }
}
