import { Fieldset, NativeSelect, SegmentedControl, Switch, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { consoleQuery, modelsQuery } from '../app/queries.ts';
import { setPreferences, usePreferences } from '../preferences/preferences.ts';
import { RECORDING_CHOICES } from '../preferences/schema.ts';
import layout from '../ui/layout.module.css';
import { defaultModel, voiceModels } from './models.ts';
import styles from './voice.module.css';

/** How the next session is made; fixed while one is open. */
export function Options({ active }: { active: boolean }) {
  const { t } = useTranslation('voice');
  const ui = useTranslation('ui').t;
  const preferences = usePreferences();
  const models = useQuery(modelsQuery).data ?? [];
  const webrtc = useQuery(consoleQuery).data?.webrtc !== false;
  return (
    <Fieldset variant="unstyled" legend={t('options')} disabled={active} className={layout.card}>
      <div className={styles.options}>
        <div>
          <Text component="span" size="sm" id="connection">
            {t('connection')}
          </Text>
          <SegmentedControl
            fullWidth
            aria-labelledby="connection"
            disabled={active}
            value={webrtc ? preferences.transport : 'websocket'}
            onChange={value => setPreferences({ transport: value as 'websocket' | 'webrtc' })}
            data={[
              { value: 'websocket', label: ui('transport.websocket') },
              { value: 'webrtc', label: ui('transport.webrtc'), disabled: !webrtc },
            ]}
          />
        </div>
        <NativeSelect
          label={t('chooseModel')}
          value={defaultModel(models, preferences.model) ?? ''}
          onChange={event => setPreferences({ model: event.currentTarget.value })}
          data={voiceModels(models).map(model => ({ value: model.id, label: model.id }))}
        />
        <NativeSelect
          label={t('record')}
          value={preferences.recording}
          onChange={event => {
            const recording = RECORDING_CHOICES.find(c => c === event.currentTarget.value);
            if (recording) setPreferences({ recording });
          }}
          data={RECORDING_CHOICES.map(choice => ({
            value: choice,
            label: t(`recordChoice.${choice}`),
          }))}
        />
        <Switch
          label={t('processing')}
          description={t('processingHint')}
          checked={preferences.audioProcessing}
          onChange={event => setPreferences({ audioProcessing: event.currentTarget.checked })}
        />
      </div>
    </Fieldset>
  );
}
