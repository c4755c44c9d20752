/**
 * A path as the runtime takes it. It calls an empty one in bytes an invalid argument; as a string it is what it is to
 * the system: a file that does not exist.
 */
export const asPath = (path: Buffer): Buffer | string => (path.length === 0 ? "" : path);
