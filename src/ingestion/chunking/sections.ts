import type { BlockSpan, CanonicalText } from './chunk.ts';
import { MAX_CHUNK_CHARS, SMALL_SECTION_CHARS, TINY_SECTION_CHARS } from './chunk-size.ts';
import { isHeading, type Unit, unitsOf } from './units.ts';

/** Compared by identity: two headings of one document may read the same. */
export interface Heading {
  level: number;
  text: string;
}

/** A heading with the text under it, up to the next heading of whatever level. */
interface Section {
  /** Headings above the section's own, outermost first. */
  parent: readonly Heading[];
  /** The parent's path and the section's own heading; `[]` in front of the first heading. */
  path: readonly Heading[];
  units: SectionUnit[];
}

export interface SectionUnit extends Unit {
  path: readonly Heading[];
}

/**
 * The units of the document in groups that chunks must not reach across. A group is one section, or neighbouring small
 * sections under the same parent. Groups are never empty.
 */
export function groupSections(canonical: CanonicalText): SectionUnit[][] {
  const groups: Group[] = [];
  for (const section of joinEmptySections(sectionsOf(canonical))) {
    const group = groups.at(-1);
    if (group && belongsTo(group, section)) for (const unit of section.units) group.units.push(unit);
    else groups.push({ parent: section.parent, units: section.units });
  }
  return groups.map((group) => group.units);
}

interface Group {
  /** Path above the first section of the group; all others lie under it too. */
  parent: readonly Heading[];
  units: SectionUnit[];
}

function belongsTo(group: Group, section: Section): boolean {
  if (!isUnder(group.parent, section)) return false;
  const groupChars = lengthOf(group.units);
  if (groupChars < TINY_SECTION_CHARS) return true;
  const isOneSmall = groupChars < SMALL_SECTION_CHARS || lengthOf(section.units) < SMALL_SECTION_CHARS;
  return isOneSmall && section.units.at(-1)!.end - group.units[0]!.start <= MAX_CHUNK_CHARS;
}

/** A heading without text stands in front of the next section, if that lies under the same parent. */
function joinEmptySections(sections: readonly Section[]): Section[] {
  const joined: Section[] = [];
  for (const section of sections) {
    const previous = joined.at(-1);
    const isEmpty = previous?.units.at(-1)?.kind === 'heading';
    if (previous && isEmpty && isUnder(previous.parent, section)) {
      for (const unit of section.units) previous.units.push(unit);
      previous.path = section.path;
    } else {
      joined.push(section);
    }
  }
  return joined;
}

function isUnder(parent: readonly Heading[], section: Section): boolean {
  return parent.every((heading, depth) => section.path[depth] === heading);
}

function lengthOf(units: readonly Unit[]): number {
  return units.at(-1)!.end - units[0]!.start;
}

function sectionsOf({ text, spans }: CanonicalText): Section[] {
  const sections: Section[] = [{ parent: [], path: [], units: [] }];
  for (const span of spans) {
    if (isHeading(span)) sections.push(sectionUnder(text, span, sections.at(-1)!.path));
    const { path, units } = sections.at(-1)!;
    for (const unit of unitsOf(text, span)) units.push({ ...unit, path });
  }
  return sections.filter((section) => section.units.length > 0);
}

function sectionUnder(text: string, span: BlockSpan, current: readonly Heading[]): Section {
  const level = span.level ?? 1;
  const parent = current.filter((above) => above.level < level);
  const heading = { level, text: text.slice(span.start, span.end).replace(/\s+/g, ' ') };
  return { parent, path: [...parent, heading], units: [] };
}
