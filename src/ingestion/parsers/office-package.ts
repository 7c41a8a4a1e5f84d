import { dirname, join, normalize } from 'node:path/posix';
import type { Archive } from './archive.ts';
import { childElements, descendants, parseXml, textOf, type XmlElement } from './xml.ts';

/** Relations of a part of an Office package, by id: where each points to and what it is (last segment of its type). */
export type Relations = ReadonlyMap<string, { target: string; type: string }>;

/** Relations of a part; none if it has no `.rels`. Those that point outside the package are left out. */
export async function readRelations(archive: Archive, part: string): Promise<Relations> {
  const name = join(dirname(part), '_rels', `${part.split('/').at(-1)}.rels`);
  if (!archive.has(name)) return new Map();
  const relations = childElements(parseXml(await archive.read(name)), 'Relationship')
    .map((element) => element.attributes)
    .filter((attributes) => attributes.TargetMode !== 'External')
    .map((attributes) => {
      const target = resolvePart(part, attributes.Target ?? '');
      return [attributes.Id ?? '', { target, type: attributes.Type?.split('/').at(-1) ?? '' }] as const;
    });
  return new Map(relations);
}

/** Parts that `part` relates to under a type, in the order of their ids in the file. */
export function relatedParts(relations: Relations, type: string): string[] {
  return [...relations.values()].filter((relation) => relation.type === type).map((relation) => relation.target);
}

/** The main part of the package (`word/document.xml` and the like), or null if the package names none that exists. */
export async function mainPart(archive: Archive): Promise<string | null> {
  const [part] = relatedParts(await readRelations(archive, ''), 'officeDocument');
  return part !== undefined && archive.has(part) ? part : null;
}

/** `dc:title` of the core properties, or null. */
export async function packageTitle(archive: Archive): Promise<string | null> {
  if (!archive.has('docProps/core.xml')) return null;
  const title = textOf(descendants(parseXml(await archive.read('docProps/core.xml')), 'title')[0]).trim();
  return title === '' ? null : title;
}

/**
 * Replaces each `mc:AlternateContent` by the one of its alternatives that has more text, the first on a tie: the choice
 * carries shapes and equations, the fallback often only a picture of them, and taking both would say everything twice.
 */
export function resolveAlternatives(element: XmlElement): XmlElement {
  const children = element.children.flatMap((child) => {
    if (typeof child === 'string') return [child];
    if (child.name !== 'AlternateContent') return [resolveAlternatives(child)];
    const alternatives = childElements(child).map(resolveAlternatives);
    const richest = alternatives.toSorted((a, b) => textOf(b).trim().length - textOf(a).trim().length)[0];
    return richest?.children ?? [];
  });
  return { ...element, children };
}

function resolvePart(from: string, target: string): string {
  const path = target.startsWith('/') ? target : join('/', dirname(from), target);
  return normalize(path).slice(1);
}
