/**
 * What a connection's client asks of PostgreSQL, as text. A prepared statement's text travels once,
 * in Parse (`P`, length, name, text); Bind (`B`, length, portal, name) only names it afterwards
 * (https://www.postgresql.org/docs/15/protocol-message-formats.html).
 */
const PARSE = /P[\s\S]{4}([^\0]+)\0([^\0]+)\0/g;
const BIND = /B[\s\S]{4}[^\0]*\0([^\0]+)\0/g;

export class StatementTexts {
  readonly #texts = new Map<string, string>();

  /** What was sent, and the texts of the prepared statements that it runs. */
  shown(sent: Buffer): Buffer {
    const text = sent.toString('latin1');
    for (const [, name, statement] of text.matchAll(PARSE)) this.#texts.set(name!, statement!);
    const run = [...text.matchAll(BIND)].flatMap(([, name]) => this.#texts.get(name!) ?? []);
    return run.length === 0 ? sent : Buffer.concat([sent, Buffer.from(run.join('\n'), 'latin1')]);
  }
}
