import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { AppError, type FieldError } from '../errors/app-error.ts';
import { CLIENT_VARIABLES, GUARDED_PREFIXES, SETTINGS, type SettingName } from './settings.ts';

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<S>;

/** All settings, typed and frozen: `config.maxUploadBytes`. */
export type Config = {
  readonly [K in SettingName as Camel<K>]: z.infer<(typeof SETTINGS)[K]['schema']>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings in layers: defaults, then `anyrag.yml` (or the file that ANYRAG_CONFIG names), then the environment.
 * `NAME_FILE` gives a value by the path of a file that holds it. Throws `config_invalid` with every problem at once.
 */
export function loadConfig(env: Environment, directory: string): Config {
  const problems: FieldError[] = [];
  const raw = { ...readConfigFile(env, directory, problems), ...readEnvironment(env, problems) };
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const parsed = setting.schema.safeParse(raw[name]);
    if (parsed.success) values[camelCase(name)] = parsed.data;
    else problems.push({ path: name, message: `${parsed.error.issues[0]?.message ?? 'invalid'} (${setting.type})` });
  }
  if (problems.length > 0) {
    const sentences = problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
    throw new AppError('config_invalid', `The configuration is not valid: ${sentences}`, { errors: problems });
  }
  values.dataDir = resolve(directory, values.dataDir as string);
  return Object.freeze(values) as Config;
}

function readConfigFile(env: Environment, directory: string, problems: FieldError[]): Record<string, unknown> {
  const path = resolve(directory, env.ANYRAG_CONFIG ?? 'anyrag.yml');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && env.ANYRAG_CONFIG === undefined) return {};
    problems.push({ path, message: 'the file cannot be read' });
    return {};
  }
  return fromYaml(text, path, problems);
}

function fromYaml(text: string, path: string, problems: FieldError[]): Record<string, unknown> {
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    problems.push({ path, message: `not valid YAML: ${(error as Error).message.split('\n')[0]}` });
    return {};
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push({ path, message: 'must hold settings as "name: value" lines' });
    return {};
  }
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(document)) {
    const name = key.toUpperCase();
    if (Object.hasOwn(SETTINGS, name) && key === key.toLowerCase()) values[name] = value;
    else problems.push({ path: `${path}: ${key}`, message: 'unknown setting' });
  }
  return values;
}

function readEnvironment(env: Environment, problems: FieldError[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const base = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : null;
    if (Object.hasOwn(SETTINGS, name)) {
      // An empty variable is how shells and compose files say "not set".
      if (value.trim() !== '') values[name] = value;
    } else if (base !== null && Object.hasOwn(SETTINGS, base)) {
      values[base] = readSecretFile(name, value, problems);
    } else if (GUARDED_PREFIXES.some((prefix) => name.startsWith(prefix)) && !CLIENT_VARIABLES.has(name)) {
      problems.push({ path: name, message: 'unknown setting' });
    }
  }
  return values;
}

function readSecretFile(name: string, path: string, problems: FieldError[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    problems.push({ path: name, message: 'the file cannot be read' });
    return undefined;
  }
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
