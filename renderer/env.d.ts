// Style sheets are imported for their effect; Vite knows what to do with them.
declare module '*.css';
/** The text of THIRD-PARTY-NOTICES.txt (electron.vite.config.ts). */
declare module '#renderer/third-party-notices.txt' {
  export const notices: string;
}
