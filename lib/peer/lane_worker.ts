/** lane_worker: the thread that transfer's LaneThreads starts: receives large files over TLS. (I/O: messages, sockets, files) */

import { connectTls } from "../net/tls.ts";
import { serveLanes, type ThreadScope } from "../transfer/lane_thread.ts";

serveLanes(globalThis as unknown as ThreadScope, connectTls);
