// What each request takes, as types: an option that means nothing to it, or none of the places where its images could be, does not compile.
// Which option means something where comes from the table in options/.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Operation, OptionTable } from "../options/index.js";
import type { CriuOptsSchema } from "../protocol/gen/rpc_pb.js";

export { CriuCgMode, CriuNetworkLockMethod, CriuPreDumpMode } from "../protocol/gen/rpc_pb.js";

type Fields = Omit<MessageInitShape<typeof CriuOptsSchema>, "$typeName" | "$unknown">;
/** The fields of CriuOpts that mean something to an operation. */
type FieldOf<O extends Operation> = {
  [N in keyof OptionTable]: O extends OptionTable[N]["applies"][number] ? OptionTable[N]["rpc"] : never;
}[keyof OptionTable];
/** Where something is; said in one way. */
type PlaceField = "imagesDir" | "imagesDirFd" | "workDirFd";
type Options<O extends Operation> = Pick<Fields, Exclude<FieldOf<O>, PlaceField | undefined>>;

/** Where the images are: a path of ours, a descriptor of ours, a path as the service sees it, or a file that the service reads and that says it. */
export type ImagesPlace =
  | { readonly imagesDirectory: string; readonly imagesDirFd?: never; readonly imagesDir?: never }
  | { readonly imagesDirectory?: never; readonly imagesDirFd: number; readonly imagesDir?: never }
  | { readonly imagesDirectory?: never; readonly imagesDirFd?: never; readonly imagesDir: string }
  | {
      readonly imagesDirectory?: never;
      readonly imagesDirFd?: never;
      readonly imagesDir?: never;
      readonly configFile: string;
    };
/** Where log and statistics go; not given: to the images. */
export type WorkPlace =
  | { readonly workDirectory?: string; readonly workDirFd?: never }
  | { readonly workDirectory?: never; readonly workDirFd?: number };

export interface JoinedNamespace {
  readonly ns: "net" | "ipc" | "uts" | "user" | "mnt" | "pid" | "time" | "cgroup";
  readonly nsFile: string;
  readonly extraOpt?: string;
}

/** Without `pid` we dump ourselves. */
export type DumpOptions = Omit<Options<"dump">, "unixSkIno"> & {
  readonly unixSkIno?: { readonly inode: number }[];
  /** Leave seccomp filters out. Servers since CRIU 2.3 take a request with it for malformed. */
  readonly noSeccomp?: boolean;
};
export type DumpRequest = ImagesPlace & WorkPlace & DumpOptions;
/** For `preDump` and `singlePreDump`. */
export type PreDumpRequest = ImagesPlace & WorkPlace & Options<"dump">;

/** How the client speaks: with a service that runs, or with a child of its own. */
export type Through = "service" | "swrk";
type OfChild = "rstSibling" | "inheritFd";
interface ForChild {
  /** A service has another parent and other descriptors: it refuses these even when they are false or empty. */
  readonly service: { readonly [F in OfChild]?: never };
  readonly swrk: {
    readonly rstSibling?: boolean;
    readonly inheritFd?: { readonly key: string; readonly fd: number }[];
  };
}
/** The pids are those of the images. */
export type RestoreOptions<T extends Through = "service"> = Omit<Options<"restore">, OfChild> &
  ForChild[T] & {
    /** Namespaces to restore into. */
    readonly joinNs?: readonly JoinedNamespace[];
  };
export type RestoreRequest<T extends Through = "service"> = ImagesPlace & WorkPlace & RestoreOptions<T>;

/** Options count where there is a log for them; then it needs a place. */
export type CheckRequest =
  | { readonly logFile?: never }
  | (ImagesPlace & WorkPlace & Options<"check"> & { readonly logFile: string });
export type CpuinfoRequest = ImagesPlace & WorkPlace & Options<"cpuinfo">;
export type PageServerRequest = ImagesPlace &
  WorkPlace &
  Options<"cpuinfo"> &
  Pick<
    Fields,
    | "ps"
    | "parentImg"
    | "autoDedup"
    | "lazyPages"
    | "statusFd"
    | "tls"
    | "tlsCacert"
    | "tlsCacrl"
    | "tlsCert"
    | "tlsKey"
  >;
