// The screens of the sidebar: name, address, action, icon and what is counted beside them.

import type { ProjectSummary } from '#core/contract/project.ts';
import type { ActionName } from '#renderer/actions.ts';

export interface Screen {
  name: string;
  path: string;
  title: string;
  action: ActionName;
  /** path data on a 16 × 16 grid, stroked */ icon: string;
  count: ((project: ProjectSummary) => number) | null;
  what: string;
}

export const SCREENS: readonly Screen[] = [
  {
    name: 'home',
    path: '/home',
    title: 'Home',
    action: 'go.home',
    icon: 'M2.5 7.5 8 3l5.5 4.5M4 6.5V13h8V6.5',
    count: null,
    what: '',
  },
  {
    name: 'label',
    path: '/label',
    title: 'Label',
    action: 'go.label',
    icon: 'M3 4h10M3 8h7M3 12h4',
    count: ({ rankings }) => rankings,
    what: 'rankings',
  },
  {
    name: 'data',
    path: '/data',
    title: 'Data',
    action: 'go.data',
    icon: 'M3 4.2C3 3.2 5.2 2.5 8 2.5s5 .7 5 1.7-2.2 1.8-5 1.8-5-.8-5-1.8zM3 4.2v7.6c0 1 2.2 1.7 5 1.7s5-.7 5-1.7V4.2M3 8c0 1 2.2 1.7 5 1.7S13 9 13 8',
    count: ({ prompts }) => prompts.train + prompts.validation + prompts.test,
    what: 'prompts',
  },
  {
    name: 'models',
    path: '/models',
    title: 'Models',
    action: 'go.models',
    icon: 'M8 2l5.2 3v6L8 14l-5.2-3V5zM2.8 5 8 8l5.2-3M8 8v6',
    count: ({ models }) => models,
    what: 'models',
  },
  {
    name: 'train',
    path: '/train',
    title: 'Train',
    action: 'go.train',
    icon: 'M2.5 13V3M2.5 13h11M5 10.5l2.5-3.5 2 1.8L13 4',
    count: ({ runs }) => runs,
    what: 'runs',
  },
  {
    name: 'inspect',
    path: '/inspect',
    title: 'Inspect',
    action: 'go.inspect',
    icon: 'M7 11.5a4.5 4.5 0 100-9 4.5 4.5 0 000 9zM10.5 10.5 14 14',
    count: ({ completions }) => completions,
    what: 'samples',
  },
  {
    name: 'settings',
    path: '/settings',
    title: 'Settings',
    action: 'go.settings',
    icon: 'M2.5 5h6M12 5h1.5M10.2 3.2v3.6M2.5 11H5M8.5 11h5M6.8 9.2v3.6',
    count: null,
    what: '',
  },
];

/** 940, 12.3k, 400k: at most four characters wide. */
export function shortCount(count: number): string {
  if (count < 1000) return String(count);
  const thousands = count / 1000;
  if (thousands < 999.5) return `${thousands < 99.95 ? Number(thousands.toFixed(1)) : Math.round(thousands)}k`;
  return `${Number((count / 1e6).toFixed(1))}M`;
}
