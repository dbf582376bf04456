import { Pool } from 'undici';
import type { Conversation } from './dataset.js';
import { cutOff, type Search } from './measure.js';

/** Stores this many turns per request. */
const batchSize = 200;

export interface OverHttp {
  /** Stores a conversation in a space of its own. Doing it again changes nothing: ids and content are the same. */
  store(conversation: Conversation): Promise<void>;
  readonly search: Search;
  close(): Promise<void>;
}

/** Recall through the public API of a running server, as any user would. */
export function overHttp(url: string): OverHttp {
  const pool = new Pool(url, { connections: 4 });
  return {
    store: (conversation) => store(pool, conversation),
    search: async (conversation, question) => {
      const answer = await post(pool, '/api/v1/recall', {
        cue: { text: question.text },
        spaces: [spaceOf(conversation)],
        limit: cutOff,
      });
      return (answer as RecallAnswer).memories.map((memory) => memory.id);
    },
    close: () => pool.close(),
  };
}

interface RecallAnswer { readonly memories: readonly { readonly id: string }[] }
interface StoreAnswer { readonly id?: string; readonly error?: { readonly code: string; readonly message: string } }

async function store(pool: Pool, conversation: Conversation): Promise<void> {
  for (let from = 0; from < conversation.turns.length; from += batchSize) {
    const turns = conversation.turns.slice(from, from + batchSize);
    const answer = await post(pool, '/api/v1/memory/batch', turns.map(({ id, content, tags, whenMs }) => ({
      id, content, tags, when: new Date(whenMs).toISOString(), memory_space: spaceOf(conversation),
    })));
    const results = answer as readonly StoreAnswer[];
    const refused = results.find((result) => result.error !== undefined);
    if (refused !== undefined) throw new Error(`the server refused a turn: ${JSON.stringify(refused.error)}`);
    if (results.length !== turns.length) throw new Error(`the server answered ${results.length} results for ${turns.length} turns`);
  }
}

function spaceOf(conversation: Conversation): string {
  return `locomo-${conversation.name}`;
}

async function post(pool: Pool, path: string, body: unknown): Promise<unknown> {
  const response = await pool.request({
    method: 'POST', path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`POST ${path} answered ${response.statusCode}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}
