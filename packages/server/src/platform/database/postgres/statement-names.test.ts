import { describe, expect, it } from 'vitest';
import { StatementNames } from './statement-names.ts';

describe('names of statements', () => {
  it('are the same for the same text and for no other', () => {
    const names = new StatementNames();
    const one = names.nameOf('select id from runs where id = $1');
    expect(one).toBeTypeOf('string');
    expect(names.nameOf('select id from runs where id = $1')).toBe(one);
    expect(names.nameOf('select id from tasks where id = $1')).not.toBe(one);
  });

  it.each([
    'select * from runs where id = $1',
    'select "runs".*, "n" from "runs" where id = $1',
    'update runs set n = $1 returning *',
    'select * from (select id from runs where id = $1) as inner_one',
    'with one as (select id from runs where id = $1) select * from one',
    'with one as (insert into runs (id) values ($1) returning id) select one.* from one',
    'insert into runs (id) values ($1) returning *',
    "select ')', * from runs where id = $1",
    'select "(", * from runs where id = $1',
    "select 'it''s (', * from runs where id = $1",
    'select (one).* from one where id = $1',
    '(select * from runs where id = $1) union all (select * from runs)',
    'with one as (select id from runs) (select * from runs where id = $1)',
    "select id, -- it's\n * from runs where n = 'x' and id = $1",
    "select 'a' /* :( */, * from runs where id = ($1)",
    'select $$($$, * from runs where id = ($1)',
    "select E'\\')', runs.* from runs where id = $1 and n = '('",
  ])('are not given where columns are not named: %s', text => {
    expect(new StatementNames().nameOf(text)).toBe(undefined);
  });

  it.each([
    'select count(*) from runs where id = $1',
    'select id from (select *, 1 from json_to_recordset($1) as rows (id text)) as inner_one',
    'with one as (delete from runs where id = $1 returning *) select count(*) from one',
    "select id from (select * from runs where id <> ')') as inner_one where id = $1",
  ])('are given where no column of the result is unnamed: %s', text => {
    expect(new StatementNames().nameOf(text)).toBeDefined();
  });

  it('run out, and those that were given stay', () => {
    const names = new StatementNames(2);
    const texts = ['select $1', 'select $1, 2', 'select $1, 3'];
    const given = texts.map(text => names.nameOf(text));
    expect(given[2]).toBe(undefined);
    expect(texts.map(text => names.nameOf(text))).toEqual(given);
    expect(names.size).toBe(2);
  });
});
