// The groups that a recipe's settings stand in under the ones looked at first, in the order in which a run uses them.

import type { Field, RecipeCard } from '#core/contract/recipes.ts';

export interface SettingGroup {
  name: string;
  title: string;
  fields: Field[];
}

/** These fields by group, each in the order of the recipe; a group without fields is left out. */
export function groupsOf(fields: readonly Field[], groups: RecipeCard['groups']): SettingGroup[] {
  const byGroup = Map.groupBy(fields, ({ group }) => group);
  return groups.flatMap(({ name, title }) => {
    const own = byGroup.get(name);
    return own ? [{ name, title, fields: own }] : [];
  });
}
