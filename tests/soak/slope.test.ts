import { describe, expect, it } from 'vitest';
import { ArgumentError, readArguments } from './arguments.ts';
import { slopeOf } from './slope.ts';

const points = (values: readonly number[]) =>
  values.map((value, index) => ({ minutes: index / 4, value }));

describe('slope', () => {
  it('of a straight line is exact', () => {
    const { perMinute, standardError } = slopeOf(points([100, 100.5, 101, 101.5, 102]));
    expect(perMinute).toBeCloseTo(2, 10);
    expect(standardError).toBeCloseTo(0, 10);
  });

  it('of a sawtooth that returns is small, and has a large standard error', () => {
    const { perMinute, standardError } = slopeOf(points([40, 44, 40, 44, 40, 44, 40, 44, 40]));
    expect(Math.abs(perMinute)).toBeLessThan(0.01);
    expect(standardError).toBeGreaterThan(1);
  });

  it('sees a leak below noise', () => {
    const values = Array.from({ length: 40 }, (_, index) => 60 + index * 0.5 + ((index * 7) % 5));
    expect(slopeOf(points(values)).perMinute).toBeGreaterThan(1.5);
  });

  it('does not exist for fewer than two moments', () => {
    expect(slopeOf([]).perMinute).toBeNaN();
    expect(slopeOf([{ minutes: 1, value: 5 }]).perMinute).toBeNaN();
  });
});

describe('arguments', () => {
  it.each([
    [['--stack', 'other'], '--stack'],
    [['--sessions', '1.5'], '--sessions'],
    [['--sessions', '0'], '--sessions'],
    [['--fps', ''], '--fps'],
    [['--frame-bytes', '7'], '--frame-bytes'],
    [['--minutes', '0.5', '--sample-seconds', '15'], '--sample-seconds'],
    [['--unknown'], '--unknown'],
  ])('%j are refused by name', (args, name) => {
    expect(() => readArguments(args)).toThrow(ArgumentError);
    expect(() => readArguments(args)).toThrow(name);
  });

  it('have defaults, and a warm-up that leaves samples in short runs', () => {
    expect(readArguments([], 's')).toMatchObject({ sessions: 200, warmUpMs: 60_000, seed: 's' });
    expect(readArguments(['--minutes', '1'])).toMatchObject({ warmUpMs: 15_000 });
    expect(readArguments(['--help'])).toBe('help');
  });
});
