/** assertion_error: what every failed assertion throws.  (pure) */

/** A failed assertion: the code under test is wrong, or the test is. */
export class AssertionError extends Error {
  override name = "AssertionError";
}
