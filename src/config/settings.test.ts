import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from './config.ts';
import { CLIENT_VARIABLES, GUARDED_PREFIXES, SETTINGS, type Setting } from './settings.ts';

const ROOT = join(import.meta.dirname, '../..');
const settings = Object.entries(SETTINGS) as [string, Setting][];

/** The row of a setting as the documentation has to have it. */
function documentedRow([name, { type, defaultText, help, secret }]: [string, Setting]): string {
  const typeText = `${type.replaceAll('|', '\\|')}${secret ? '; secret' : ''}`;
  return `| \`${name}\` | ${typeText} | ${defaultText === '' ? '' : `\`${defaultText}\``} | ${help} |`;
}

function exampleLines([name, { type, defaultText, help, secret }]: [string, Setting]): string {
  return `# ${help}\n# ${type}${secret ? '; secret' : ''}\n#${name}=${defaultText}\n`;
}

describe('docs/configuration.md', () => {
  const text = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');

  test.each(settings)('says of %s what the schema says', (...setting) => {
    expect(text).toContain(`\n${documentedRow(setting)}\n`);
  });

  test('knows no other setting', () => {
    const names = [...text.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name!);
    expect(names.filter((name) => !CLIENT_VARIABLES.has(name)).sort()).toEqual(Object.keys(SETTINGS).sort());
    for (const name of CLIENT_VARIABLES) expect(names).toContain(name);
  });

  test('names every prefix within which a typo is an error', () => {
    for (const prefix of GUARDED_PREFIXES) expect(text).toContain(`\`${prefix}\``);
  });
});

describe('.env.example', () => {
  const text = readFileSync(join(ROOT, '.env.example'), 'utf8');

  test.each(settings)('has %s with its default and what it means', (...setting) => {
    expect(text).toContain(`\n${exampleLines(setting)}`);
  });

  test('has no other setting, and sets none', () => {
    const names = [...text.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name!);
    expect(names.sort()).toEqual(Object.keys(SETTINGS).sort());
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});

test('the defaults that are shown are those that are used', () => {
  const shown = Object.fromEntries(settings.map(([name, { defaultText }]) => [name, defaultText]));
  expect(loadConfig(shown, ROOT)).toEqual(loadConfig({ ANYRAG_CONFIG: '' }, ROOT));
});

test('every setting explains itself in a sentence', () => {
  for (const [, { help, type }] of settings) {
    expect(help).toMatch(/^[A-Za-z].+\.$/s);
    expect(type).not.toBe('');
  }
});
