import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** How a message is written and read; every generated message type is one. */
export interface MessageCodec<Message> {
  /** Appends the message to `writer`, or to a new one. */
  encode(message: Message, writer?: BinaryWriter): BinaryWriter;
  /** Reads a message of `length` bytes, or to the end. Throws for bytes that are none. */
  decode(input: BinaryReader | Uint8Array, length?: number): Message;
}

/** One method of a generated definition. */
export interface MethodDefinition<Request, Response> {
  readonly name: string;
  readonly requestType: MessageCodec<Request>;
  readonly requestStream: boolean;
  readonly responseType: MessageCodec<Response>;
  readonly responseStream: boolean;
}

/** A generated service definition: a contract that says nothing of the library that carries it. */
export interface ServiceContract {
  readonly fullName: string;
  // Methods differ in their message types, which only `any` can stand for in both directions at once.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly methods: Readonly<Record<string, MethodDefinition<any, any>>>;
}

export type RequestOf<Method> = Method extends { readonly requestType: MessageCodec<infer Request> } ? Request : never;
export type ResponseOf<Method> = Method extends { readonly responseType: MessageCodec<infer Response> } ? Response : never;

/** The path of a method on the wire. */
export function methodPath(service: ServiceContract, method: { readonly name: string }): string {
  return `/${service.fullName}/${method.name}`;
}
