// CRIU has these beside the names of the table of options.
import type { OptionName } from "../options/index.js";

export const aliases: Readonly<Record<string, OptionName>> = { "--daemon": "detached" };
