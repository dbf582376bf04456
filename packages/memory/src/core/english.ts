/**
 * Words that join a sentence together and say nothing about its subject. Besides the customary function words the list
 * holds the greetings and fillers of spoken English, because what agents remember is mostly conversation.
 */
export const stopWords: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both
  but by can could did do does doing down during each few for from further get got had has have having he her here hers
  herself him himself his how i if in into is it its itself just like me might more most must my myself no nor not now of
  off on once only or other our ours ourselves out over own really same shall she should so some such than that the their
  theirs them themselves then there these they this those through to too under until up upon us very was we were what
  when where which while who whom whose why will with would you your yours yourself yourselves
  cant couldnt didnt doesnt dont hadnt hasnt havent isnt arent mustnt shouldnt wasnt werent wont wouldnt
  hello hey hi oh ok okay thank thanks wow yeah yep yes`.split(/\s+/),
);

/** Irregular forms, each group led by the form it is reduced to; Porter's rules only know the regular ones. */
const irregularGroups = `
  become became, begin began begun, bite bit bitten, blow blew blown, break broke broken, bring brought, build built,
  burn burnt, buy bought, catch caught, choose chose chosen, come came, deal dealt, dig dug, draw drew drawn,
  dream dreamt, drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed, feel felt,
  fight fought, find found, fly flew flown, forget forgot forgotten, forgive forgave forgiven, freeze froze frozen,
  give gave given, go went gone, grow grew grown, hang hung, hear heard, hide hid hidden, hold held, keep kept,
  know knew known, lead led, learn learnt, lend lent, lose lost, make made, mean meant, meet met, pay paid,
  ride rode ridden, ring rang rung, run ran, say said, see saw seen, seek sought, sell sold, send sent, shake shook shaken,
  shine shone, shoot shot, show shown, sing sang sung, sink sank sunk, sit sat, sleep slept, speak spoke spoken,
  spend spent, stand stood, steal stole stolen, stick stuck, strike struck, swear swore sworn, sweep swept, swim swam swum,
  take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown, understand understood,
  wake woke woken, wear wore worn, weep wept, win won, write wrote written,
  child children, foot feet, goose geese, knife knives, leaf leaves, life lives, man men, mouse mice, person people,
  shelf shelves, tooth teeth, wife wives, wolf wolves, woman women`;

/** From an irregular form to its base. */
export const irregularForms: ReadonlyMap<string, string> = new Map(
  irregularGroups.split(',').flatMap((group) => {
    const [base = '', ...forms] = group.trim().split(/\s+/);
    return forms.map((form): [string, string] => [form, base]);
  }),
);

export const monthNames: readonly string[] =
  'january february march april may june july august september october november december'.split(' ');
