// What is wrong with an image, as the error that a user meets.
import { StasisError } from "../../report/error.js";

/** Which file, and which of its records (the first is 0), a byte comes from. */
export interface Place {
  readonly file: string;
  readonly record?: number;
}

/** The image holds something that cannot be. */
export function invalid(place: Place, reason: string, cause?: unknown): StasisError {
  return fault("IMAGE_INVALID", place, reason, cause);
}

/** The image ends before what it announces. */
export function truncated(place: Place, reason: string, cause?: unknown): StasisError {
  return fault("IMAGE_TRUNCATED", place, reason, cause);
}

function fault(code: "IMAGE_INVALID" | "IMAGE_TRUNCATED", place: Place, reason: string, cause: unknown): StasisError {
  const subject = { kind: "image", ...place } as const;
  return new StasisError({ code, doing: "read the image", subject, reason, ...(cause === undefined ? {} : { cause }) });
}
