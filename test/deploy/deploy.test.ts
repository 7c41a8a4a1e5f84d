import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { SETTINGS } from '../../src/config/settings.ts';

const ROOT = join(import.meta.dirname, '../..');
const DEPLOY = join(ROOT, 'deploy');
const FILES = readdirSync(DEPLOY, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(DEPLOY.length + 1));

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked into, and the tests say what they expect.
type Manifest = any;

function read(name: string): string {
  return readFileSync(join(DEPLOY, name), 'utf8');
}

function manifestsIn(name: string): Manifest[] {
  const documents = parseAllDocuments(read(name), { merge: true });
  for (const document of documents as Iterable<(typeof documents)[number]>) expect(document.errors, name).toEqual([]);
  return documents.map((document) => document.toJS());
}

/** The commands that the launcher starts a process for. */
const LAUNCHED = [...readFileSync(join(ROOT, 'bin/anyrag'), 'utf8').matchAll(/^ {2}([a-z|]+)\) entry=/gm)].flatMap(
  (match) => match[1]!.split('|'),
);
const KUBERNETES = FILES.filter((name) => name.startsWith('kubernetes/'));
const UNITS = FILES.filter((name) => name.startsWith('systemd/'));

/** Of the environment, and not anyrag's. */
const FOREIGN = new Set(['NODE_ENV']);

function isSetting(variable: string): boolean {
  const name = variable.replace(/_FILE$/, '');
  return FOREIGN.has(variable) || Object.hasOwn(SETTINGS, variable) || Object.hasOwn(SETTINGS, name);
}

describe('the Dockerfile', () => {
  const instructions = read('docker/Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line));

  test('copies what there is, and nothing that is kept back from it', () => {
    const sources = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    const sent = read('docker/Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
    expect(sent.map((line) => line.slice(1)).sort()).toEqual([...new Set(sources)].sort());
  });

  test('ends as a user who is not root, with a healthcheck that can run', () => {
    expect(instructions.findLast((line) => line.startsWith('USER '))).toBe('USER 1000:1000');
    const check = instructions.find((line) => line.startsWith('HEALTHCHECK '))!;
    const command: string[] = JSON.parse(/CMD (\[.*\])$/.exec(check)![1]!);
    // Nothing listens there: the check itself has to work to be able to say so.
    const { status, stderr } = spawnSync(process.execPath, command.slice(1), { env: { PORT: '9' }, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
  });

  test('starts the launcher with one of its commands, on a Node that is new enough', () => {
    expect(instructions).toContain('ENTRYPOINT ["/app/bin/anyrag"]');
    const [command] = JSON.parse(instructions.find((line) => line.startsWith('CMD '))!.slice('CMD '.length));
    expect(LAUNCHED).toContain(command);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const image of instructions.filter((line) => line.startsWith('FROM '))) {
      expect(`>=${/node:(\d+)/.exec(image)![1]}`).toBe(engines.node);
    }
  });

  test('sets what are settings', () => {
    const names = instructions
      .filter((line) => line.startsWith('ENV '))
      .flatMap((line) => [...line.matchAll(/([A-Z_]+)=/g)].map((match) => match[1]!));
    expect(names.filter((name) => !isSetting(name))).toEqual([]);
  });
});

test('the compose file runs commands that there are, with settings that there are, and one image for all', () => {
  const [{ services }] = manifestsIn('docker/compose.yaml');
  expect(Object.keys(services)).toEqual(['migrate', 'api', 'worker', 'backup']);
  for (const service of Object.values(services) as Manifest[]) {
    expect(service).toMatchObject({ image: 'anyrag', init: true, read_only: true, cap_drop: ['ALL'] });
    expect(LAUNCHED).toContain(service.command[0]);
    expect(Object.keys(service.environment).filter((name) => !isSetting(name))).toEqual([]);
  }
});

describe('the systemd units', () => {
  test('run commands that there are, with settings that there are', () => {
    const commands = UNITS.flatMap((name) => [...read(name).matchAll(/^ExecStart=\/opt\/anyrag\/bin\/anyrag (\S+)/gm)]);
    expect(commands.map((match) => match[1]).sort()).toEqual(['backup', 'migrate', 'serve', 'worker']);
    for (const [, command] of commands) expect(LAUNCHED).toContain(command);
    const names = UNITS.flatMap((name) =>
      [...read(name).matchAll(/^Environment=(.*)$/gm)].flatMap((line) =>
        [...line[1]!.matchAll(/([A-Z_]+)=/g)].map((match) => match[1]!),
      ),
    );
    expect(names.filter((name) => !isSetting(name))).toEqual([]);
  });

  test('name one another', () => {
    const named = UNITS.flatMap((name) => [...read(name).matchAll(/anyrag[a-z-]*(@\d?)?\.(service|timer|target)/g)]);
    const names = named.map(([unit]) => `systemd/${unit.replace(/@\d/, '@')}`);
    expect(names.filter((name) => !UNITS.includes(name))).toEqual([]);
  });

  test.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)('are understood by systemd', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'anyrag-units-'));
    try {
      await cp(join(DEPLOY, 'systemd'), directory, { recursive: true });
      for (const unit of UNITS) {
        const path = join(directory, unit.slice('systemd/'.length));
        // Where it is installed there is a program of this name.
        await writeFile(path, (await readFile(path, 'utf8')).replaceAll('/opt/anyrag/bin/anyrag', '/bin/true'));
      }
      const units = readdirSync(directory).map((name) => join(directory, name));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8' });
      // It also speaks of units of this machine that are none of ours.
      expect({ status, ours: stderr.split('\n').filter((line) => line.includes('anyrag')) }).toEqual({
        status: 0,
        ours: [],
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('the Kubernetes manifests', () => {
  const all = KUBERNETES.flatMap((name) => manifestsIn(name).map((manifest) => ({ name, manifest })));
  const deployments = all.filter(({ manifest }) => manifest.kind === 'Deployment');

  test('are all named by the kustomization, or said to be optional', () => {
    const text = read('kubernetes/kustomization.yaml');
    const others = KUBERNETES.map((name) => name.slice('kubernetes/'.length)).filter(
      (name) => !['kustomization.yaml', 'secret.example.yaml'].includes(name),
    );
    expect(others.filter((name) => !text.includes(`  - ${name}\n`))).toEqual([]);
    const [{ resources }] = manifestsIn('kubernetes/kustomization.yaml');
    expect(resources.filter((name: string) => !existsSync(join(DEPLOY, 'kubernetes', name)))).toEqual([]);
  });

  test('run API and workers apart, migrated first, as nobody who could harm', () => {
    expect(deployments.map(({ manifest }) => manifest.metadata.name)).toEqual(['anyrag-api', 'anyrag-worker']);
    for (const { manifest } of deployments) {
      const { initContainers, containers, securityContext, volumes } = manifest.spec.template.spec;
      expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      expect(initContainers.map(({ args }: Manifest) => args)).toEqual([['migrate']]);
      for (const container of [...initContainers, ...containers]) {
        expect(LAUNCHED).toContain(container.args[0]);
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        const mounted = container.volumeMounts.map((mount: Manifest) => mount.name);
        expect(mounted).toEqual(volumes.map((volume: Manifest) => volume.name));
      }
      expect(manifest.spec.selector.matchLabels).toEqual(manifest.spec.template.metadata.labels);
    }
  });

  test('ask routes that there are', () => {
    const routes = readFileSync(join(ROOT, 'src/http/routes/health/routes.ts'), 'utf8');
    const [api] = deployments;
    const { readinessProbe, livenessProbe, startupProbe } = api!.manifest.spec.template.spec.containers[0];
    for (const probe of [readinessProbe, livenessProbe, startupProbe])
      expect(routes).toContain(`'${probe.httpGet.path}'`);
  });

  test('set what are settings', () => {
    const names = all.flatMap(({ manifest }) => Object.keys(manifest.stringData ?? manifest.data ?? {}));
    expect(names).toContain('SECRET_KEY');
    expect(names.filter((name) => !isSetting(name))).toEqual([]);
  });

  test('scale workers by a metric that there is', () => {
    const [{ spec }] = manifestsIn('kubernetes/worker-scaling.yaml');
    expect(deployments.map(({ manifest }) => manifest.metadata.name)).toContain(spec.scaleTargetRef.name);
    const metric = /anyrag_\w+/.exec(spec.triggers[0].metadata.query)![0];
    expect(readFileSync(join(ROOT, 'src/telemetry/metrics.ts'), 'utf8')).toContain(`  ${metric}: {`);
  });
});
