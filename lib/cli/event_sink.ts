/** event_sink: where the events of one command go to be shown.  (pure: an interface alone) */

import type { PeerEvent } from "../peer/commands.ts";

export interface EventSink {
  /** Shows an event, now or with others like it. */
  show(event: PeerEvent): void;
  /** Shows what was kept back: the command has ended. `command` is what it was, where it did all it should. */
  finish(command?: string): void;
}
