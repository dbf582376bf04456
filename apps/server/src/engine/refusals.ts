/** What the engine answers when it does not do what it was asked: one function per answer, so that each is worded once. */
import { EngramError, type MemoryId, type SpaceId } from '@engram/kernel';

export function refusal(error: unknown): { readonly outcome: 'refused'; readonly error: EngramError } {
  const expected = error instanceof EngramError ? error : new EngramError('internal', 'The item failed for a reason nobody foresaw.', { cause: error });
  return { outcome: 'refused', error: expected };
}

export function shuttingDown(): EngramError {
  return new EngramError('shutting_down', 'This node is shutting down.', { hint: 'Try again when it is back.' });
}

export function writesHeld(reason: string): EngramError {
  return new EngramError('not_ready', `This node takes no writes yet: ${reason}.`, { hint: 'Try again once the node is ready; GET /readyz says when. Reads are served.' });
}

export function spaceNotFound(space: SpaceId): EngramError {
  return new EngramError('space_not_found', `There is no memory space ${space} here.`, {
    hint: 'A space comes into being with the first memory stored in it. GET /api/v1/spaces lists those that exist.',
    details: { space },
  });
}

export function memoryNotFound(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('memory_not_found', `There is no memory ${id} in space ${space}.`, {
    hint: 'Check the id and the space; a memory that was forgotten does not come back.',
    details: { space, id },
  });
}

export function idForgotten(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('id_forgotten', `The memory ${id} of space ${space} was forgotten; its id cannot be used again.`, {
    hint: 'Store it under a new id, or leave the id out.',
    details: { space, id },
  });
}

export function idConflict(space: SpaceId, id: MemoryId): EngramError {
  return new EngramError('id_conflict', `Space ${space} already holds another memory under the id ${id}.`, {
    hint: 'Memories are immutable: store the new one under a new id, or forget the old one.',
    details: { space, id },
  });
}

export function idempotencyConflict(): EngramError {
  return new EngramError('idempotency_conflict', 'This Idempotency-Key was used for another memory within the last 24 hours.', {
    hint: 'Repeat a request with its own key and unchanged body, and use a new key for each new memory.',
  });
}
