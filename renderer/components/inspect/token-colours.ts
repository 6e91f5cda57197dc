// How a token is coloured by a number: a monotone scale per quantity, as the share of a tint in the ground behind the
// text.
import type { TokenRow } from '#core/contract/samples.ts';

export type Quantity = 'logprob' | 'kl' | 'value';
export interface Tint {
  /** which colour variable */ hue: 'warn' | 'bad' | 'good' | 'accent';
  /** 0 none … 1 full */ strength: number;
}

interface Scale {
  title: string;
  sentence: string;
  read(token: TokenRow): number | null;
  /** `spread`: the largest |number| of the text, so that a scale without natural bounds uses its whole range */
  tint(value: number, spread: number): Tint;
  legend(spread: number): { label: string; value: number }[];
}

const clamp = (value: number) => Math.max(0, Math.min(1, value));
const SURPRISE = 8; // nats; below e^-8 everything is equally surprising to the eye
export const signed = (value: number, spread: number): Tint => ({
  hue: value < 0 ? 'bad' : 'good',
  strength: clamp(Math.abs(value) / Math.max(spread, 1e-9)),
});

export const SCALES: Readonly<Record<Quantity, Scale>> = {
  logprob: {
    title: 'ln π',
    sentence: 'How surprising the token was to the policy that wrote it: the stronger the tint, the less likely.',
    read: (token) => token.logprob,
    tint: (value) => ({ hue: 'warn', strength: clamp(-value / SURPRISE) }),
    legend: () => [0, -2, -4, -8].map((value) => ({ label: value === 0 ? 'certain' : `${value}`, value })),
  },
  kl: {
    title: 'ln π − ln π_ref',
    sentence: 'Where the policy has moved away from its reference: green it writes this more readily now, red less.',
    read: (token) => (token.reference === null ? null : token.logprob - token.reference),
    tint: signed,
    legend: (spread) =>
      [-spread, -spread / 2, 0, spread / 2, spread].map((value) => ({ label: value.toFixed(1), value })),
  },
  value: {
    title: 'Value',
    sentence: 'What the critic expected from here on: green more than nothing, red less.',
    read: (token) => token.value,
    tint: signed,
    legend: (spread) => [-spread, 0, spread].map((value) => ({ label: value.toFixed(1), value })),
  },
};

/** The largest distance from 0 among the tokens that have the number; 1 where none has. */
export function spreadOf(tokens: readonly TokenRow[], quantity: Quantity): number {
  const sizes = tokens.flatMap((token) => {
    const value = SCALES[quantity].read(token);
    return value === null || !Number.isFinite(value) ? [] : [Math.abs(value)];
  });
  return Math.max(...sizes, 0) || 1;
}

/** At full strength this much of the hue is mixed into the surface: text keeps 4.5:1 on it in both themes. */
export const MOST = 38;

/** A CSS colour for the ground of a token. */
export function groundOf(tint: Tint): string {
  return tint.strength === 0
    ? 'transparent'
    : `color-mix(in srgb, var(--${tint.hue}) ${(tint.strength * MOST).toFixed(1)}%, var(--surface))`;
}
