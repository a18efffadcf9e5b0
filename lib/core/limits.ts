/**
 * limits: every bound of the system in one place, each with its unit and its reason. A decoder refuses what is over a
 * limit; an encoder throws RangeError, because that is our own mistake.  Spec: PROTOCOL.md "Limits".  (pure)
 */

export const kib = 1024;
export const mib = 1024 * kib;

export const limits = {
  // Datagrams
  /** Fits every path with an MTU of 1280 (RFC 8200 §5) under IPv6 (40) and UDP (8), with room for a tunnel's header. */
  datagramBytesMax: 1200,
  /** A HELLO is padded to this, so that the COOKIE answer (42 bytes) is smaller. */
  helloBytes: 64,
  /** Shorter datagrams are not worth an answer of any kind. */
  datagramBytesMin: 26,
  /** Nesting in a payload: message › list › entry, and one to spare. */
  cborDepthMax: 5,
  /** How long a session's keys live, in milliseconds; far under any AEAD's limit, and a stolen key ages out. */
  sessionMs: 24 * 60 * 60 * 1000,
  /** Packet numbers behind the highest that may still arrive (RFC 6479). */
  replayWindow: 2048,
  /** A cookie's slot in milliseconds; a cookie is good in its slot and the next. */
  cookieSlotMs: 30_000,
  /** A pending login is dropped after this, in milliseconds; argon2id on a slow machine takes a few seconds. */
  loginPendingMs: 30_000,
  /** Logins in progress at a coordinator; each holds about 3 KiB. A crowd of 1,000 a second leaves each three seconds for its proof. */
  loginsPendingMax: 4096,
  /** Second messages (tries) that strangers share a minute at one account. */
  loginTriesPerMinute: 10,
  /** The allowance of each device that the account knows, and of each in logins by key. */
  deviceTriesPerMinute: 10,
  /** Logins by key in progress at a coordinator; each holds about 1 KiB. */
  deviceLoginsPendingMax: 4096,
  /** First messages of logins by key that lead to no known device, of one address; each costs the coordinator up to 0.3 ms. */
  deviceStartsPerMinute: 64,
  /** Accounts whose tries are counted; a fixed table, shared by known and unknown names. */
  tryBucketsMax: 65_536,
  /** Logins and requests of one proven address a second; of its block (IPv4 /24, IPv6 /64) four times as many. */
  addressLoginsPerSecond: 1_000,
  addressRequestsPerSecond: 20_000,
  /** What one of them costs in these under full load, and what a request costs its account and an unknown key its address. */
  loginPriceMax: 500,
  requestPriceMax: 64,
  deviceStartPriceMax: 16,
  /** Buckets in each of these tables, which never forget: 0.5 MB each. */
  addressBucketsMax: 65_536,
  /** Answers to unproven addresses a second, all together; above it they get silence. */
  unprovenAnswersPerSecond: 20_000,
  /** Sessions at one coordinator. */
  sessionsMax: 100_000,
  /** Sessions of one account: its devices. */
  sessionsPerAccountMax: 64,
  /** Answers to writes kept for repeated requests, a session. */
  answersKeptMax: 128,
  /** They are kept so long after the last of them, in milliseconds: a peer gives a request up after `requestMs`. */
  answersKeptMs: 30_000,
  /** Requests that a peer keeps in flight; under answersKeptMax, so that a repeat is never under the floor. */
  requestsInFlightMax: 32,
  /** Logins that wait for their turn of OPAQUE at a coordinator; each takes about 0.6 ms. */
  opaqueQueueMax: 256,
  /** Writes in one group of a coordinator's store, and how many may wait for the next groups. */
  storeGroupMax: 64,
  storeWritesMax: 4096,
  /** Reads under way at a coordinator's store, and searches that wait for their turn: one takes up to 30 ms. */
  storeReadsMax: 1024,
  searchesMax: 256,
  /** Dial-backs of a coordinator under way at once, and how long one may take, in milliseconds. */
  probesMax: 64,
  probeMs: 3_000,
  /** Coordinators of one network that a peer is told of. */
  coordinatorsMax: 8,
  /** Commands that talk to a coordinator through its local socket at once. */
  adminConnectionsMax: 32,
  /** Datagrams handed to the system and not taken yet; more are lost, as on any full line. */
  sendsMax: 4096,
  /** Sessions that a coordinator which stops ends in one go: half of what may wait for the system, so that no CLOSE is dropped. */
  closesAtOnce: 2048,
  /** Smallest and first retransmission time-out, in milliseconds (RFC 6298 shape, with a floor for loopback). */
  retransmitMinMs: 10,
  retransmitFirstMs: 300,
  retransmitMaxMs: 1_000,
  /** A request is given up after this, in milliseconds. */
  requestMs: 10_000,
  /** Keep-alive interval that the coordinator dictates, in milliseconds, and how many may be missed. */
  keepAliveMs: 10_000,
  keepAliveMisses: 3,

  // Text
  /** Bytes of an account name in UTF-8. */
  accountBytesMax: 64,
  /** Bytes of a device's label in UTF-8. */
  labelBytesMax: 64,
  /** Bytes of a password in UTF-8; longer ones are refused, not cut. */
  passwordBytesMax: 1024,
  /** Bytes of a shared name in UTF-8: a page must hold one result and a cursor that repeats its name. */
  nameBytesMax: 400,
  /** Bytes of one path component: what file systems take (NAME_MAX), less room for `.part` and ` (999)`. */
  nameComponentBytesMax: 240,
  /** Bytes of a cursor. */
  cursorBytesMax: 480,
  /** Bytes of an error's text on the wire. */
  errorTextBytesMax: 200,

  // Catalog
  /** Shares of one account. */
  sharesPerAccountMax: 1_000_000,
  /** Devices that an account is remembered with; over it one that is away and shares nothing is forgotten. */
  devicesPerAccountMax: 256,
  /** Entries of one SHARE or REMOVE; the datagram is full before that. */
  entriesMax: 64,
  /** Bytes of a share's description in UTF-8. */
  descriptionBytesMax: 200,
  /** Accounts and groups that one share is for, and the bytes of their names together: the largest share fits a datagram. */
  audienceMembersMax: 8,
  audienceBytesMax: 320,
  /** Groups at a coordinator, accounts in one, and groups of one account: each look at a share of a group counts these. */
  groupsMax: 1024,
  groupMembersMax: 10_000,
  groupsPerAccountMax: 64,
  /** Words of one search; bytes of a file name's extension, and how many extensions, accounts and groups may be asked for. */
  searchTermsMax: 8,
  extensionBytesMax: 16,
  filterNamesMax: 8,
  /** Candidates that one search looks at before it answers with what it has. */
  searchCandidatesMax: 20_000,
  /** Candidates that are sorted at once; where there are more, the search goes along an index of the order instead. */
  sortedCandidatesMax: 2_000,
  /** Descriptions that a file is found by, of all who share it. */
  descriptionsPerFileMax: 16,
  /** Standing searches of one session, of one account, and in all. */
  watchesPerSessionMax: 16,
  watchesPerAccountMax: 64,
  watchesMax: 65_536,
  /** Standing searches that one SHARE is compared with; a busy machine tells no more. */
  watchLooksMax: 2_048,
  /** Characters of the globs of one standing search: each may be compared with every character of a name, for somebody else's SHARE. */
  watchGlobMax: 64,
  /** Files that one session is told of together; what is over it the session learns by a search. */
  foundFilesMax: 32,
  /** Comparisons of characters that one search makes: a pattern and names made for each other cost 50 ms, not 10 s. */
  searchLooksMax: 10_000_000,

  // Content
  /** BEP 52's block: the leaf of every tree. */
  blockBytes: 16 * kib,
  /** Pieces are at least this. */
  pieceBytesMin: 256 * kib,
  /** Pieces are at most this: what a fetch may lose to a crash, and may hold of one piece. */
  pieceBytesMax: 16 * mib,
  /** Pieces wanted in a file before they are made larger. */
  piecesWanted: 1024,
  /** Largest file, in bytes: 2^20 pieces of 16 MiB; its layer has 32 MiB. */
  fileBytesMax: 2 ** 44,
  /** Pieces of the largest file. */
  piecesMax: 2 ** 20,

  // Transfer
  /** A frame's payload: one read of the disk, and what a liar can make us hold. */
  frameBytesMax: 256 * kib,
  /** No HELLO within this → closed, in milliseconds. */
  transferHelloMs: 3_000,
  /**
   * Connections that have not said HELLO: each costs a handshake, 115 KiB and three seconds at the most. Of one address, behind
   * which there may be an office, an eighth: those who come together are met in a few round trips, and others are met too.
   */
  strangersMax: 256,
  strangersPerAddressMax: 32,
  /** Connections of one peer that stand before one holder's door: an eighth of what its address may have, for others are behind it too. */
  dialsMax: 4,
  /** Connections of proven fetchers, whose place in the queue is known to them; more are refused as busy. 46 KiB each. */
  uploadsMax: 1024,
  /** The same of one account: its devices may come together, and one member alone must not keep all others out. */
  uploadsPerAccountMax: 256,
  /** Of these, how many are sent to at once; the others wait in the queue. */
  uploadSlots: 16,
  /** While others wait a slot is given back after this, in milliseconds, and after this without anything asked for. */
  uploadTurnMs: 10_000,
  uploadRestMs: 500,
  /** A fetcher that waits is told its place when it changes, at most once in the first, and without a change in the second, in milliseconds. */
  queuedEveryMs: 1_000,
  queuedAgainMs: 3_000,
  /** Bytes that a fetch asks for ahead on one connection at the least; more where rate times round trip is more. */
  windowBytes: 4 * mib,
  /** Connections of one fetch. */
  lanesMax: 16,
  /** Ranges in one REQUEST, and bytes that a holder lets stand unsent for one connection. */
  rangesMax: 256,
  outstandingBytesMax: 64 * mib,
  /** Pieces whose blocks' hashes were asked for that a holder lets stand unanswered for one connection. */
  leavesMax: 256,
  /** Contents taken that a holder lets stand unanswered for one connection: what it keeps of each is its name. */
  takesMax: 256,
  /** Largest content that a TAKE may ask for: one piece, whose hash is the content's id, so that no manifest need travel. */
  takenBytesMax: 256 * kib,
  /** No byte of progress within this ends a transfer's connection, in milliseconds. */
  progressMs: 10_000,
  /** A heartbeat goes out on an idle transfer connection after this, in milliseconds. */
  heartbeatMs: 3_000,
  /** An upload on which nothing but heartbeats came and went for this long gives its place back, in milliseconds. */
  uploadIdleMs: 60_000,
  /** Establishing one connection to a holder, handshake included, in milliseconds. */
  connectMs: 3_000,
  /** Tickets live this long, in milliseconds of coordinator time. */
  ticketMs: 10 * 60 * 1000,
  /** Bytes of a ticket. */
  ticketBytesMax: 320,
  /** Contents of one ticket for a set: as many as the datagram that asks for it has room for. */
  setMax: 30,
  /** Bytes of a device certificate (DER); ours have 248. */
  certificateBytesMax: 320,
  /** Downloads at once in one peer; more wait their turn. */
  downloadsMax: 8,

  // The coordinator's role
  /** FINISH messages checked for one pending login: a forged one must not end it, nor cost without bound. */
  loginFinishesMax: 8,
  /** Store questions of one session at once; twice what an honest peer has in flight. */
  storeAsksPerSessionMax: 64,
  /** Pushes waiting for one session; more are dropped, `sharesMatch` and the tickets' expiry tell the same later. */
  pushesPerSessionMax: 128,
  /** (fetching device, holder) pairs remembered for REVOKE; each lives as long as its ticket. */
  ticketsRememberedMax: 65_536,
  /** How long a device that fetches a content is named as its holder without asking again, in milliseconds. */
  offerMs: 60_000,
  /** Offers in all, of one session (more than it fetches at once), and of one content: each LOCATE of it looks at all of these. */
  offersMax: 65_536,
  offersPerSessionMax: 64,
  offersPerContentMax: 256,
  /** How long a report counts, in milliseconds: who was damaged yesterday may be mended today. */
  reportMs: 24 * 60 * 60 * 1000,
  /** Reports in all, and of one account, so that nobody can push out those of others. */
  reportsMax: 65_536,
  reportsPerAccountMax: 1024,
  /** Reports of one session: an honest one drops a holder and goes on. */
  reportsPerMinute: 30,
  /** Holders among which a random one is named first; with more, one of the first so many. */
  holdersDealtMax: 1024,
  /** After LEAVE a session lingers this long, in milliseconds, so that a lost answer can be repeated. */
  leaveLingerMs: 5_000,
  /** A session's new address is challenged at most once in this time, in milliseconds. */
  challengeEveryMs: 1_000,
  /** One dial-back a session in this time, in milliseconds; after one that failed, in the second. */
  probeEveryMs: 10_000,
  probeAgainMs: 60_000,
  /** Dial-backs to one address a second, however many sessions it has, and how many at once: behind it may be others' machines too. */
  addressProbesPerSecond: 16,
  addressProbesMax: 256,
  /** Lowest port that is dialled back: below it are other people's services (mail, ssh). */
  probePortMin: 1024,
  /** Log events a second that a stranger can cause; more are not logged. */
  strangerLogsPerSecond: 10,

  // Accounts
  /** Sessions of invites at once; one lasts as long as its peer's proofs take. */
  registrationsMax: 512,
  /** How long such a session lives, in milliseconds, and how many names may be tried in it. */
  registrationMs: 60_000,
  registrationNamesMax: 10,
  /** Invites that can still be used; what an operator can hand out in one go; how long they are good unless told, in milliseconds. */
  invitesMax: 10_000,
  invitesAtOnceMax: 100,
  inviteMs: 7 * 24 * 60 * 60 * 1000,
  /** Bytes of an invite's note. */
  inviteNoteBytesMax: 200,
  /** How long a spent or expired invite is listed, in milliseconds. */
  inviteKeptMs: 90 * 24 * 60 * 60 * 1000,
  /** Accounts an hour that open registration makes: of one address block (IPv4 /24, IPv6 /64), and in all. */
  openRegistersPerBlock: 5,
  openRegistersPerHour: 100,
  /** Requests that change something, and others that the store answers, of one account in a second; and how many seconds' worth at once. */
  accountRequestsPerSecond: 2_000,
  accountBurstSeconds: 5,
  /** Changes of a password that one account may begin in a minute: each is a try at the old one. */
  passwordChangesPerMinute: 5,
  /** A change of a password that was begun is forgotten after this, in milliseconds. */
  passwordChangeMs: 60_000,
  /** Accounts without a session whose spent requests are still counted. */
  accountRatesMax: 65_536,
} as const;
