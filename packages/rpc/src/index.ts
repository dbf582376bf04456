/**
 * @engram/rpc: the engram.v1 gRPC contracts, what joins them to a server, and a small client.
 *
 * @example
 * ```ts
 * const client = createMemoryClient({ address: '127.0.0.1:50051' });
 * const { memory } = await client.store({ draft: { content: 'Ada likes tea.' } });
 * const { memories } = await client.recall({ cue: { text: 'What does Ada drink?' } });
 * client.close();
 * ```
 *
 * @packageDocumentation
 */

// A client.
export { createMemoryClient, type MemoryClient, type MemoryClientOptions, type UnaryCallOptions } from './memory-client.js';
export type { DraftBatch, StoreStreamOptions } from './store-stream.js';

// The contracts.
export {
  ForgetRequest,
  ForgetResponse,
  GetRequest,
  GetResponse,
  ListRequest,
  ListResponse,
  MemoryDefinition,
  RecallRequest,
  RecallResponse,
  StoredItem,
  StoreRequest,
  StoreResponse,
  StoreResult,
  StoreStreamRequest,
  StoreStreamResponse,
  type DeepPartial,
} from './gen/engram/v1/memory.js';
export { ErrorDetail } from './gen/engram/v1/error.js';
export {
  AckLevel,
  Cue,
  Durability,
  MemoryDraft,
  MissingPartition,
  RecalledMemory,
  ScoreParts,
  StoredMemory,
  StoreOutcome,
} from './gen/engram/v1/types.js';
export {
  decodeSession,
  encodeSession,
  mergeSessions,
  sessionClusterOf,
  sessionHeader,
  SessionKeeper,
  sessionPositionsMax,
  sessionTokenLengthMax,
  type Session,
  type SessionPosition,
} from './session-token.js';
export { Timestamp } from './gen/google/protobuf/timestamp.js';
export { msFromTimestamp, timestampFromMs } from './timestamp.js';
export { jsonDepthMax, type JsonObject, type JsonValue } from './json-struct.js';

// A server.
export {
  toCallAnswerer,
  toGrpcService,
  type AnsweredCall,
  type CallAnswerer,
  type FinishedCall,
  type GrpcService,
  type GrpcServiceOptions,
  type Handlers,
  type StreamHandler,
  type UnaryHandler,
} from './grpc-service.js';
export { limitReadAhead } from './read-ahead.js';
export type { CallContext, ServedCall } from './call-context.js';
export { decodeMessage, defaultMessageBytesMax, encodeMessage } from './codec.js';
export { methodPath, type MessageCodec, type MethodDefinition, type ServiceContract } from './definition.js';

// Between nodes.
export { callPeer, isRefusal, toFrameService, type FrameCall, type FrameChannel, type FrameServiceOptions } from './frame-service.js';
export {
  FrameStream,
  resolveFrameStreamOptions,
  type CallEnd,
  type MessageDuplex,
  type FrameListener,
  type FrameStreamOptions,
  type FrameStreamStats,
  type SendOutcome,
  type StreamEnd,
} from './frame-stream.js';
export { CallSender, type CallOutcome, type CallSenderOptions, type SentCall } from './call-sender.js';
export { answerForwarded, type AnswerForwardedOptions } from './call-receiver.js';
export { introduction, peerHeaders, peerProtocolVersion, readIntroduction, type PeerIdentity } from './peer-identity.js';
export { ForwardingDefinition, PeerFrame, RegisterDefinition, ReplicationDefinition } from './gen/engram/v1/peer.js';

// How errors travel.
export { codeOfStatus, errorStatus, type WireStatus } from './error-status.js';
export { detailToError, errorDetailKey, errorToDetail, errorToStatus, statusToError, type FailureContext } from './error-detail.js';
