// The options of a request, as a program gives them.

import { closeSync, constants, openSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type CriuOpts, CriuOptsSchema } from "../protocol/gen/rpc_pb.js";
import { addJoinNs, addNoSeccomp } from "../protocol/tag-39.js";

/** All fields of criurpc's CriuOpts, and what is easier to say. What is not given is not sent. requests.ts has which fit together. */
export type RequestOptions = Omit<MessageInitShape<typeof CriuOptsSchema>, "$typeName" | "$unknown"> & {
  /** The directory of the images as a path of ours: opened here, and handed over as `imagesDirFd`. */
  readonly imagesDirectory?: string;
  /** The same for `workDirFd`. */
  readonly workDirectory?: string;
  /** Namespaces to restore into. */
  readonly joinNs?: readonly { readonly ns: string; readonly nsFile: string; readonly extraOpt?: string }[];
  /** Leave seccomp filters out. Servers since CRIU 2.3 take a request with it for malformed. */
  readonly noSeccomp?: boolean;
};

/** Options ready to be sent; the directories stay open until it is disposed. */
export interface PreparedOptions extends Disposable {
  readonly opts: CriuOpts;
}

/** @throws NodeJS.ErrnoException when a directory cannot be opened */
export function prepareOptions(options: RequestOptions): PreparedOptions {
  const { imagesDirectory, workDirectory, joinNs, noSeccomp, ...fields } = options;
  const opened: number[] = [];
  const close = () => {
    for (const fd of opened.splice(0)) closeSync(fd);
  };
  const open = (path: string) => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    opened.push(fd);
    return fd;
  };
  try {
    const opts = create(CriuOptsSchema, fields);
    if (imagesDirectory !== undefined) opts.imagesDirFd = open(imagesDirectory);
    if (workDirectory !== undefined) opts.workDirFd = open(workDirectory);
    // CRIU takes a request without this field for malformed.
    if (!Object.hasOwn(opts, "imagesDirFd")) opts.imagesDirFd = -1;
    if (joinNs !== undefined) addJoinNs(opts, joinNs);
    if (noSeccomp) addNoSeccomp(opts);
    return { opts, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}
