/** What a person would type for what is done here. */

/** A request: with a body it is a POST of JSON, without one a GET. */
export interface Asked {
  readonly url: string;
  readonly body?: object;
}

export function curlLine({ url, body }: Asked): string {
  const post = body === undefined ? [] : ['-X', 'POST', '-H', 'content-type: application/json', '-d', JSON.stringify(body)];
  return shellLine(['curl', '-s', ...post, url]);
}

/** Words as a POSIX shell takes them. */
export function shellLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
