#!/usr/bin/env node
// The `tastemaker` command: the command line of the folder this file lies in, started from wherever the user is.
import { start } from './start.mjs';

await start('tastemaker', process.argv.slice(2));
