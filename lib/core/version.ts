/** version: the one of both programs, as --version and logs tell it.  (pure) */

export const version = "0.1.0";
