import type { Session } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { recordingsQuery, sessionQuery } from '../app/queries.ts';
import { RecordingList } from '../recordings/recording-list.tsx';
import { usePlayer } from '../recordings/use-player.ts';
import { useShortcut } from '../shell/shortcuts.ts';
import { useEvents } from '../timeline/use-events.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Page } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { SessionActions } from './session-actions.tsx';
import { SessionFacts } from './session-facts.tsx';
import { SessionTimeline } from './session-timeline.tsx';
import { UsageTable } from './usage-table.tsx';

/** One session: its timeline, its recordings, what it used, and what can be done with it. */
export function SessionPage() {
  const { id } = useParams({ from: '/sessions/$id' });
  const { t } = useTranslation('sessions');
  const session = useQuery(sessionQuery(id));
  return (
    <>
      <Link to="/sessions" className={layout.back}>
        <Icon name="back" size={16} /> {t('back')}
      </Link>
      {session.data ? (
        <Detail key={id} session={session.data} />
      ) : (
        <Page title={t('one')}>
          {session.error ? (
            <Problem error={session.error} onRetry={() => void session.refetch()} />
          ) : (
            <div className={layout.card}>
              <Placeholder size="list" />
            </div>
          )}
        </Page>
      )}
    </>
  );
}

function Detail({ session }: { session: Session }) {
  const { t } = useTranslation('sessions');
  const followed = useEvents(session.id);
  const recordings = useQuery(recordingsQuery(session.id, session.recordings.count));
  const files = recordings.data?.audio_files ?? [];
  const player = usePlayer(files);
  useShortcut('space', () => {
    const id = player.currentId ?? files[0]?.audio_id;
    if (id) player.toggle(id);
  });
  return (
    <Page
      title={t('titleOf', { model: session.model })}
      actions={<SessionActions session={session} />}
    >
      <div className={layout.stack}>
        <SessionFacts session={session} />
        <SessionTimeline session={session} followed={followed} recordings={files} player={player} />
        <div className={layout.two}>
          <RecordingList sessionId={session.id} query={recordings} files={files} player={player} />
          <UsageTable session={session} />
        </div>
      </div>
    </Page>
  );
}
