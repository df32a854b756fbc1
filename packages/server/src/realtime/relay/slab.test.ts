import { describe, expect, it } from 'vitest';
import { Slab, Views } from './slab.ts';

describe('views of a buffer', () => {
  it('are the same object for the same length, and see what the buffer holds now', () => {
    const buffer = Buffer.from('abcdef');
    const views = new Views(buffer, 2);
    const view = views.of(3);
    expect(view.toString()).toBe('cde');
    buffer.write('xyz', 2);
    expect(views.of(3)).toBe(view);
    expect(view.toString()).toBe('xyz');
  });

  it('are forgotten when there are too many lengths', () => {
    const views = new Views(Buffer.alloc(1_000));
    const first = views.of(1);
    for (let length = 2; length <= 256; length++) views.of(length);
    expect(views.of(1)).toBe(first);
    views.of(257);
    expect(views.of(1)).not.toBe(first);
  });
});

describe('a slab', () => {
  it('uses a place again only when it was given back', () => {
    const slab = new Slab();
    const first = slab.copy(Buffer.from('first'), 0, 5);
    slab.giveBack(first);
    const second = slab.copy(Buffer.from('second'), 0, 6);
    expect(second.byteOffset).toBe(first.byteOffset);
    const third = slab.copy(Buffer.from('third'), 0, 5);
    slab.giveBack(third);
    const fourth = slab.copy(Buffer.from('later'), 0, 5);
    expect([second.toString(), fourth.toString()]).toEqual(['second', 'later']);
    expect(fourth).toBe(third);
  });
});
