import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { Icon } from '../ui/icons.tsx';
import { When } from '../ui/when.tsx';

/** Says when the sign-in ends, where nothing the reader does can make it longer. */
export function SignInEnd({ className }: { className: string | undefined }) {
  const { t } = useTranslation('shell');
  const endsAt = useQuery(meQuery).data?.sign_in_ends_at ?? null;
  if (endsAt === null) return null;
  return (
    <p className={className}>
      <Icon name="alert" size={16} /> {t('signInEnds')} <When at={endsAt} />
    </p>
  );
}
