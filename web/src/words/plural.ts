/** Texts by number: `#` is the number as the language writes it, the choice is that of CLDR (`Intl.PluralRules`). */
export type Forms = { one: string; many?: string; other: string };

export function plural(language: string): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const digits = new Intl.NumberFormat(language);
  return (count, forms) => {
    const form = (forms as Partial<Record<Intl.LDMLPluralRule, string>>)[rules.select(count)] ?? forms.other;
    return form.replace("#", digits.format(count));
  };
}
