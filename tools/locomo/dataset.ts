import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One turn of a conversation, as it is remembered. */
export interface Turn {
  readonly id: string;
  /** Speaker, what was said and, in brackets, what a shared picture shows. Baseline and Engram read the same text. */
  readonly content: string;
  /** What a user would tag a turn with: who spoke, and which conversation of the many it belongs to. */
  readonly tags: readonly string[];
  readonly whenMs: number;
}

export interface Question {
  readonly text: string;
  /** 1 multi-hop, 2 time, 3 open domain, 4 single-hop. */
  readonly category: number;
  /** Ids of the turns that hold the answer; at least one. */
  readonly evidence: readonly string[];
}

export interface Conversation {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
  /** Questions of categories 1 to 4 left out because their evidence names no turn. */
  readonly unanswerable: number;
}

interface RawTurn { id: string; session: number; when: string; speaker: string; text: string; caption?: string }
interface RawQuestion { question: string; evidence: readonly string[]; category: number }
export interface RawConversation { conversation: string; turns: readonly RawTurn[]; qa: readonly RawQuestion[] }

/** All conversations of a folder, by name; undefined when the folder does not exist or holds none. */
export function readConversations(directory: string): Conversation[] | undefined {
  if (!existsSync(directory)) return undefined;
  const files = readdirSync(directory).filter((file) => file.endsWith('.json')).sort();
  if (files.length === 0) return undefined;
  return files.map((file) => parseConversation(JSON.parse(readFileSync(join(directory, file), 'utf8')) as RawConversation));
}

export function parseConversation(raw: RawConversation): Conversation {
  const known = new Set(raw.turns.map((turn) => turn.id));
  const asked = raw.qa.filter(({ category }) => category >= 1 && category <= 4).map(({ question, category, evidence }): Question => ({
    text: question,
    category,
    evidence: evidenceIds(evidence).filter((id) => known.has(id)),
  }));
  const questions = asked.filter((question) => question.evidence.length > 0);
  return { name: raw.conversation, turns: parseTurns(raw.turns), questions, unanswerable: asked.length - questions.length };
}

/** The time between two turns of a session, whose turns all carry the time the session began. */
const turnMs = 30_000;

function parseTurns(turns: readonly RawTurn[]): Turn[] {
  const saidInSession = new Map<number, number>();
  return turns.map(({ id, session, when, speaker, text, caption }): Turn => {
    const position = saidInSession.get(session) ?? 0;
    saidInSession.set(session, position + 1);
    return {
      id,
      content: `${speaker}: ${text}${caption === undefined ? '' : ` [${caption}]`}`,
      tags: [speaker, `session-${session}`],
      whenMs: parseWhen(when) + position * turnMs,
    };
  });
}

/** Some entries name several turns at once ("D8:6; D9:17"). */
function evidenceIds(evidence: readonly string[]): string[] {
  return [...new Set(evidence.flatMap((entry) => entry.match(/D\d+:\d+/g) ?? []))];
}

const months = 'january february march april may june july august september october november december'.split(' ');

/** "1:56 pm on 8 May, 2023", taken as UTC. */
export function parseWhen(when: string): number {
  const found = /^(\d+):(\d+) (am|pm) on (\d+) (\w+),? (\d{4})$/i.exec(when.trim());
  const month = months.indexOf((found?.[5] ?? '').toLowerCase());
  if (found === null || month === -1) throw new Error(`cannot read the time of a turn: ${when}`);
  const hour = (Number(found[1]) % 12) + (found[3]!.toLowerCase() === 'pm' ? 12 : 0);
  return Date.UTC(Number(found[6]), month, Number(found[4]), hour, Number(found[2]));
}
