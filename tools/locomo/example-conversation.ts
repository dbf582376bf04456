import { parseConversation, type Conversation, type RawConversation } from './dataset.js';

/** A made-up conversation in the shape of the data set, for the specs: two sessions, one question of each kind. */
export const rawExample: RawConversation = {
  conversation: 'example',
  turns: [
    { id: 'D1:1', session: 1, when: '1:56 pm on 8 May, 2023', speaker: 'Ada', text: 'Did the parcel come?' },
    { id: 'D1:2', session: 1, when: '1:56 pm on 8 May, 2023', speaker: 'Ben', text: 'Yes, this morning!', caption: 'a photo of a teapot' },
    { id: 'D2:1', session: 2, when: '12:05 am on 1 June, 2023', speaker: 'Ada', text: 'I planted tulips yesterday.' },
  ],
  qa: [
    { question: 'When did the parcel come?', evidence: ['D1:2'], category: 2 },
    { question: 'What did Ada plant?', evidence: ['D2:1; D9:9'], category: 4 },
    { question: 'What names no turn?', evidence: ['D7:7', 'D'], category: 1 },
    { question: 'What is adversarial?', evidence: ['D1:1'], category: 5 },
  ],
};

export const example: Conversation = parseConversation(rawExample);
