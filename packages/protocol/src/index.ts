// Errors and close codes
export { CLIENT_ERROR_CODES, CmError, ERROR_CODES, isClientErrorCode, isCmError, toCmError } from "./errors.js";
export { CLOSE_CODES, mayReconnect } from "./close-codes.js";

// Names, identifiers, text
export { NAME_MAX_BYTES, parseName, requireName } from "./room-and-user-names.js";
export { partitionOf } from "./partition-of.js";
export {
  CONNECTION_ID_MAX_LENGTH,
  createConnectionIdSource,
  holderName,
  isHolder,
  isServerId,
  ownerOf,
  parseConnectionId,
  randomBase36,
  readHolder,
  requireConnectionId,
  requireServerId,
} from "./server-and-connection-ids.js";
export { decodeUtf8, encodeUtf8, utf8ByteLength } from "./utf8.js";

// Records
export { parseGameEvent } from "./game-event.js";
export { GAME_STATES, GAME_TRANSITIONS, parseGameSession } from "./game-session.js";
export { ROOM_RECORD_MAX_BYTES, requireRoomRecordValue } from "./room-record-value.js";
export { parsePlayerConnection } from "./player-connection.js";

// Users
export { connectionIdsOf } from "./presence/connections-of-user.js";

// Presence changes and roster changes
export { PRESENCE_CHANGES, parsePresenceChange } from "./presence/presence-change.js";
export { parseRosterChange, ROSTER_CHANGES } from "./presence/roster-change.js";

// Messages between servers
export { ENVELOPE_EXCEPT_MAX, ENVELOPE_VERSION } from "./envelope/cross-server-message.js";
export {
  createEnvelopeHeader,
  decodeEnvelope,
  encodeEnvelope,
  readEnvelopePosition,
} from "./envelope/envelope-codec.js";
export { envelopeFromJson, envelopeToJson } from "./envelope/envelope-json.js";
export { historyStamp, readHistoryStamp, takesHistoryStamp } from "./envelope/history-stamp.js";
export { decodeControl, encodeControl } from "./envelope/control-codec.js";
export { decodePositions, encodePositions } from "./envelope/sequencer-position.js";
export { QUESTION_MAX_BYTES } from "./envelope/server-operation.js";

// Frames between client and server
export { CLIENT_FRAMES, MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX } from "./frames/client-frame-descriptions.js";
export { parseClientFrame, SUBPROTOCOL } from "./frames/client-frame-parser.js";
export { CLIENT_PROTOCOL_VERSION, SERVER_FRAMES } from "./frames/server-frame-descriptions.js";
export { encodeServerFrame } from "./frames/server-frame-encoder.js";
export { REF_MAX_LENGTH } from "./frames/field-kinds.js";

// Types of the exports above
export type { ClientErrorCode, CmErrorOptions, ErrorCode, Result } from "./errors.js";
export type { CloseReason } from "./close-codes.js";
export type { NameKind } from "./room-and-user-names.js";
export type { ConnectionIdParts, ConnectionIdSource, ConnectionIdSourceOptions } from "./server-and-connection-ids.js";
export type { GameEvent } from "./game-event.js";
export type { GameSession, GameState } from "./game-session.js";
export type { PlayerConnection } from "./player-connection.js";
export type { PresenceChange, PresenceChangeKind } from "./presence/presence-change.js";
export type { RosterChange, RosterChangeKind } from "./presence/roster-change.js";
export type { CrossServerMessage, MessageKind } from "./envelope/cross-server-message.js";
export type {
  ControlOperation,
  ControlPayload,
  OperationOutcome,
  ServerOperation,
} from "./envelope/server-operation.js";
export type { SequencerPosition } from "./envelope/sequencer-position.js";
export type { EnvelopeHeader, EnvelopePosition, EnvelopeRoute } from "./envelope/envelope-codec.js";
export type { ClientFrame, ClientFrameResult, FrameFault } from "./frames/client-frame-parser.js";
export type { ServerFrame } from "./frames/server-frame-encoder.js";
export type {
  ConnectionLimits,
  DirectOutcome,
  GapReason,
  MemberEntry,
  Sender,
} from "./frames/server-frame-descriptions.js";
export type { Ref } from "./frames/field-kinds.js";
export type { ClientFrameDescription, OperationText, ServerFrameDescription } from "./frames/frame-description.js";
export type { Field, Fields, Kind, FieldPresence, ReadableKind } from "./frames/field-description.js";

// Contracts
export type { FailureStage, OnError } from "./background-failures.js";
export type { Bus, BusHandler, Channel, Published, ResumeHandler, Subscription } from "./contracts/bus.js";
export type {
  ConnectionRecord,
  ConnectionRegistry,
  PutOptions,
  RecordRemoval,
} from "./contracts/connection-registry.js";
export type {
  History,
  HistoryDraft,
  HistoryEntry,
  HistoryPosition,
  HistorySlice,
  StampedDraft,
} from "./contracts/history.js";
export type { LocalConnection, LocalConnectionManager } from "./contracts/local-connection-manager.js";
export type { EnteredRoom, LocalDelivery, RoomInterest } from "./contracts/local-delivery.js";
export type {
  AnnouncedMember,
  DepartureReason,
  JoinOptions,
  Page,
  PageRequest,
  RoomDirectory,
  RoomMember,
} from "./contracts/room-directory.js";
export type {
  Departure,
  LapsedServer,
  Renewal,
  RegistrySnapshot,
  ServerCounters,
  ServerInfo,
  ServerRegistration,
  ServerRegistry,
  SnapshotOptions,
} from "./contracts/server-registry.js";
export type { Lease, ReapClaim, ServerIncarnation } from "./contracts/leases-and-claims.js";
export type {
  ReapTarget,
  ServerUpkeep,
  SilenceVerdict,
  WatchReport,
} from "./contracts/server-upkeep.js";
export type {
  LostRoomRecord,
  RecordReadOptions,
  RoomRecord,
  RoomRecordOutcome,
  RoomRecords,
} from "./contracts/room-records.js";
export type {
  Eviction,
  HeldRoom,
  Holdings,
  PartitionReconciliation,
  ProjectionUpkeep,
  RenewedParts,
} from "./contracts/projection-upkeep.js";
export type { Link, LinkState, LinkStatus } from "./contracts/link.js";
export type { Store, StoreUpkeep } from "./contracts/store.js";
export type { Counted, StoreCounts } from "./contracts/store-counts.js";
export type {
  AddOptions,
  RemoveOptions,
  StatesOptions,
  UserConnection,
  UserDirectory,
  UserState,
} from "./contracts/user-directory.js";
