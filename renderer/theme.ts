// Light or dark: what the person chose, or what the system prefers, written on <html> as data-theme.

import type { Theme } from '#core/contract/app.ts';

const systemIsDark = window.matchMedia('(prefers-color-scheme: dark)');
let chosen: Theme = 'system';

function apply(): void {
  document.documentElement.dataset['theme'] = shownTheme();
}
systemIsDark.addEventListener('change', apply);

export const shownTheme = (): 'light' | 'dark' =>
  chosen === 'system' ? (systemIsDark.matches ? 'dark' : 'light') : chosen;

export function setTheme(theme: Theme): void {
  chosen = theme;
  apply();
}
