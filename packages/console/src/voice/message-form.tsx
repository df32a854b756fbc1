import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import layout from '../ui/layout.module.css';
import styles from './conversation.module.css';
import { voice } from './use-voice.ts';

const MESSAGE_MAX_CHARS = 4000;

/** Typing instead of speaking. */
export function MessageForm({ active }: { active: boolean }) {
  const { t } = useTranslation('voice');
  const [text, setText] = useState('');
  return (
    <form
      className={styles.message}
      onSubmit={event => {
        event.preventDefault();
        if (voice.sendText(text)) setText('');
      }}
    >
      <TextInput
        className={layout.grow}
        aria-label={t('message')}
        placeholder={t(active ? 'messageHint' : 'messageClosed')}
        value={text}
        maxLength={MESSAGE_MAX_CHARS}
        disabled={!active}
        autoComplete="off"
        onChange={event => setText(event.currentTarget.value)}
      />
      <Button type="submit" disabled={!active || text.trim() === ''}>
        {t('send')}
      </Button>
    </form>
  );
}
