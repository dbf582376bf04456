/**
 * How well does Engram recall? Stores real conversations, asks real questions, and counts how much of the evidence is
 * among the first answers, beside a plain BM25 on the same text.
 *
 *   npx tsx --conditions=@engram/source tools/locomo/main.ts [--dir DIRECTORY] [--url http://127.0.0.1:7432] [--json]
 *
 * With --url through the public API of a running server, without in process. The data (LoCoMo, CC BY-NC 4.0) is not part
 * of this project; its folder comes from --dir or ENGRAM_LOCOMO_DIR, by default ../shared/data/locomo beside the clone.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readConversations } from './dataset.js';
import { searchInProcess } from './in-process.js';
import { overHttp } from './over-http.js';
import { render, reportOn } from './report.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { values } = parseArgs({ options: { dir: { type: 'string' }, url: { type: 'string' }, json: { type: 'boolean', default: false } } });
const directory = resolve(values.dir ?? process.env['ENGRAM_LOCOMO_DIR'] ?? resolve(root, '../shared/data/locomo'));
const conversations = readConversations(directory);

if (conversations === undefined) {
  const reason = `no conversations in ${directory}; give their folder with --dir or ENGRAM_LOCOMO_DIR`;
  console.log(values.json ? JSON.stringify({ skipped: reason }) : `skipped: ${reason}`);
} else if (values.url === undefined) {
  const report = await reportOn(conversations, { name: 'Engram (in process)', search: searchInProcess() });
  console.log(values.json ? JSON.stringify(report, null, 2) : render(report));
} else {
  const http = overHttp(values.url);
  try {
    for (const conversation of conversations) await http.store(conversation);
    const report = await reportOn(conversations, { name: `Engram at ${values.url}`, search: http.search });
    console.log(values.json ? JSON.stringify(report, null, 2) : render(report));
  } finally {
    await http.close();
  }
}
