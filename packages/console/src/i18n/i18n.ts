import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { LANGUAGES, type Language } from '../preferences/schema.ts';
import { visible } from '../text/visible.ts';

/**
 * Two languages, each one chunk of all features' texts; only the one in use is loaded. Texts live
 * beside their feature as `en.json` and `ja.json`.
 */
const LOADERS: Record<Language, () => Promise<{ resources: object }>> = {
  en: () => import('./resources-en.ts'),
  ja: () => import('./resources-ja.ts'),
};

/** The first of the browser's languages that the console has. */
export function browserLanguage(preferred: readonly string[] = navigator.languages): Language {
  const codes = preferred.map(tag => tag.toLowerCase().split('-')[0]);
  const known = codes.find(code => LANGUAGES.some(language => language === code));
  return LANGUAGES.find(language => language === known) ?? 'en';
}

/** Names that are filled in need no escape for React, but none may hide anything. */
export const interpolation = { escapeValue: true, escape: visible };

export async function startI18n(language: Language): Promise<void> {
  const { resources } = await LOADERS[language]();
  await i18next.use(initReactI18next).init({
    lng: language,
    resources: { [language]: resources as never },
    interpolation,
    react: { useSuspense: false },
    showSupportNotice: false,
  } as never);
  document.documentElement.lang = language;
}

export async function changeLanguage(language: Language): Promise<void> {
  const { resources } = await LOADERS[language]();
  for (const [namespace, texts] of Object.entries(resources)) {
    i18next.addResourceBundle(language, namespace, texts, true, true);
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
