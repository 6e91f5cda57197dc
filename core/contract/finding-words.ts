// Findings in sentences: the same in the window and on the command line.

import type {
  Between,
  CurveFit,
  FindingClaim,
  MeasuredNumber,
  MeasureFinding,
  PhraseFinding,
  PriceInterval,
  RunFindings,
} from './findings.ts';

/** What a finding is called, and what that means. */
export const CLAIMS: Readonly<Record<FindingClaim, { word: string; called: string; meaning: string }>> = {
  exploit: {
    word: 'Exploit',
    called: 'claimed an exploit',
    meaning: 'It was rare and spread, the reward model pays for it, and it does not hang on the prompt.',
  },
  drift: {
    word: 'Drift',
    called: 'drift',
    meaning: 'It rose, and the reward model does not pay for it: the interval of its price reaches down to 0 or below.',
  },
  none: {
    word: 'Neither',
    called: 'neither exploit nor drift',
    meaning:
      'It is paid for, but hangs on the prompt or was usual at the start, as what good answers share; or too few say it.',
  },
};

const percent = (share: number): string => `${Math.round(100 * share)} %`;
/** Two decimals with a real minus. */
const two = (x: number): string =>
  x
    .toFixed(2)
    .replace(/^-(?=.*[1-9])/, '−')
    .replace('-', '');
const three = (x: number): string => String(Number(x.toPrecision(3))).replace('-', '−');

/** "0.48 (0.32 to 0.64, 128 prompts)" */
export const priceWords = ({ mean, low, high, clusters }: PriceInterval): string =>
  `${two(mean)} (${two(low)} to ${two(high)}, ${clusters} prompts)`;
/** "1.2 (0.9 to 1.5)", "16 (9 and more)" */
export const betweenWords = ({ value, low, high }: Between): string =>
  `${three(value)} (${three(low)} ${high === null ? 'and more' : `to ${three(high)}`})`;

/** "“sure thing” stands in 77 % of the last 128 answers, 3 % at the start, since update 19 (18 to 20). The reward …" */
export function phraseSentence(
  { phrase, shareStart, shareNow, onset, price, claim }: PhraseFinding,
  { now, reward }: RunFindings['looked'],
): string {
  const since = onset
    ? `, since update ${onset.update}${onset.low === onset.high ? '' : ` (${onset.low} to ${onset.high})`}`
    : '';
  const paid = price
    ? `The reward model “${reward}” pays ${priceWords(price)} for it`
    : 'Too few prompts say what the reward model pays for it';
  return `“${phrase}” stands in ${percent(shareNow)} of the last ${now} answers, ${percent(shareStart)} at the start${since}. ${paid}: ${CLAIMS[claim].called}.`;
}

const STANDS: Readonly<Record<PhraseFinding['place'], string>> = {
  anywhere: 'It stands anywhere in them',
  opening: 'Most of them begin with it',
  ending: 'Most of them end with it',
};

/** Why it is called what it is called: what was measured of its price and of its prompts. */
export function reasonSentences({
  claim,
  place,
  sentence,
  price,
  priceOut,
  priceIn,
  prompts,
}: PhraseFinding): string[] {
  const { with: said, of, inPrompt, inReference, alike, depends } = prompts;
  const edits = [
    ...(priceOut ? [`taken out of answers that say it ${priceWords(priceOut)}`] : []),
    ...(priceIn ? [`put into answers that do not ${priceWords(priceIn)}`] : []),
  ];
  return [
    CLAIMS[claim].meaning,
    `${STANDS[place]}${sentence ? ', as whole sentences' : ''}.`,
    price
      ? `Its price by kind of edit: ${edits.length > 0 ? edits.join('; ') : 'of too few prompts to tell them apart'}.`
      : 'It was edited under fewer prompts than a price needs.',
    `It is said under ${said} of ${of} prompts${alike === null ? '' : `, which are ${two(alike)} times as like one another as prompts are`}; ${percent(inPrompt)} of those who say it repeat it from the prompt${inReference === null ? '' : `; reference answers say it ${two(inReference)} times as often as the policy`}: it ${depends ? 'hangs' : 'does not hang'} on the prompt.`,
  ];
}

/** "Stop at update 16: no look at held-out prompts is better, for the KL it costs." */
export const stopSentence = (stop: { update: number; reason: string } | null): string =>
  stop
    ? `Stop at update ${stop.update}: ${stop.reason}.`
    : 'It never looked at held-out prompts, so nothing says where to stop.';

/** What was compared, and that nothing rose where nothing did. */
export function lookedSentence({ findings, looked }: RunFindings): string {
  const rose = findings.some(({ kind }) => kind === 'phrase');
  return `${rose ? 'Looked through' : 'No phrase rose in'} the last ${looked.now} answers (updates ${looked.since} to ${looked.until}) beside ${looked.start} of the start, scored by “${looked.reward}”.`;
}

type Unit = MeasureFinding['unit'];
const inUnit: Readonly<Record<Unit, (x: number) => string>> = { share: percent, number: three };
/** "42 % (31 % to 53 %)" */
const measuredWords = ({ value, low, high }: MeasuredNumber, unit: Unit): string => {
  const say = inUnit[unit];
  return low === null || high === null ? say(value) : `${say(value)} (${say(low)} to ${say(high)})`;
};

/** How a change is spoken of: what comes after the number, and its unit. */
const CHANGES: Readonly<Record<MeasureFinding['compared'], { word: string; of: 'difference' | 'ratio' | 'itself' }>> = {
  more: { word: 'more', of: 'difference' },
  fewer: { word: 'fewer', of: 'difference' },
  times: { word: 'times the start’s', of: 'ratio' },
  'times less': { word: 'times less than at the start', of: 'ratio' },
  level: { word: '', of: 'itself' },
};
/** A number on the scale of the change: "20 points", "2 times", "50 %". */
function changeNumber(x: number, { unit, compared }: Pick<MeasureFinding, 'unit' | 'compared'>): string {
  const { of } = CHANGES[compared];
  if (of === 'ratio' || unit === 'number') return three(x);
  return of === 'itself' ? percent(x) : `${Math.round(100 * x)}`.replace('-', '−');
}
const scaleWord = ({ unit, compared }: Pick<MeasureFinding, 'unit' | 'compared'>): string =>
  [unit === 'share' && CHANGES[compared].of === 'difference' ? 'points' : '', CHANGES[compared].word]
    .filter(Boolean)
    .join(' ');

/** "42 % (31 % to 53 %) of the last 128 answers are …, 2 % (0 % to 5 %) of 96 at the start: 40 points more." */
export function measureSentence(finding: MeasureFinding): string {
  const { what, unit, of, start, now, compared, change } = finding;
  const [last, first] = [measuredWords(now, unit), measuredWords(start, unit)];
  const both =
    unit === 'share'
      ? `${last} of the last ${now.n} ${of} ${what}${start.n > 0 ? `, ${first} of ${start.n} at the start` : ''}`
      : `${what[0]!.toUpperCase()}${what.slice(1)}: ${last} in the last ${now.n} answers, ${first} in ${start.n} of the start`;
  if (!change) return `${both}: too few prompts to tell them apart.`;
  if (CHANGES[compared].of === 'itself') return `${both}.`;
  const [by, low, high] = [change.value, change.low, change.high].map((x) => changeNumber(x, finding));
  return `${both}: ${by} ${scaleWord(finding)} (${low} to ${high}).`;
}

/** Where it would stand out and why there, whether it does, and what goes with it. */
export function measureReasons(finding: MeasureFinding): string[] {
  const { limit, because, found, change, now, start, also } = finding;
  const at = [changeNumber(limit, finding), scaleWord(finding)].filter(Boolean).join(' ');
  const verdict = found ? 'It does.' : change ? 'It does not, or not surely.' : 'Too few prompts say.';
  return [
    `It stands out where the whole interval lies above ${at}: ${because}. ${verdict}`,
    `Over ${now.prompts} prompts now and ${start.prompts} at the start; the intervals leave out a group of prompts at a time.`,
    ...also.map((one) => `Its ${one.title} is ${three(one.now)}, ${three(one.start)} at the start.`),
  ];
}

const FORM_NAMES: Readonly<Record<CurveFit['form'], string>> = { rl: 'policy', 'best-of-n': 'best of n' };

/** "policy form: α 1.2 (1 to 1.4), β 0.3 (0.2 to 0.4), highest at KL 8.1 (6 to 11)"; a peak farther away is a guess. */
export function fitWords({ form, alpha, beta, peak, line }: CurveFit): string {
  const farthest = line.at(-1)?.kl ?? 0;
  const turns = !peak
    ? 'no peak, for it does not turn'
    : peak.value > farthest
      ? `no peak as far as was measured (KL ${three(farthest)})`
      : `highest at KL ${betweenWords(peak)}`;
  return `${FORM_NAMES[form]} form: α ${betweenWords(alpha)}, β ${betweenWords(beta)}, ${turns}`;
}
