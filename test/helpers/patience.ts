/**
 * How long a test waits for what has to come, in seconds. It is no test of speed: on a slow machine all comes in the
 * end, and only what never comes takes so long. Shorter than the 123 seconds after which qmail-send tries again what
 * went wrong.
 */
export const patience = 100;
