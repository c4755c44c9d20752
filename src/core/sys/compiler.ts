/**
 * The executable starts with a compiler that hesitates (scripts/build.ts): what lives for one message is over before
 * anything it compiled would pay.
 */

/** For a program that may have much to do: what is called often is compiled as soon as the runtime likes. */
export function compileAsUsual(): void {
  // A Bun that runs us from source may be older than the one that builds, and does not hesitate.
  Bun.unsafe.setJITPolicy?.(1);
}
