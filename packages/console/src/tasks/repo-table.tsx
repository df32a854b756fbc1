import type { Repo } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

/** Every repository with where it is, its branch and its tests; a name leads to its tasks. */
export function RepoTable(props: {
  repos: readonly Repo[];
  mayWrite: boolean;
  onEdit: (repo: Repo) => void;
  onArchive: (repo: Repo) => void;
}) {
  const { t } = useTranslation('tasks');
  const columns = ['name', 'where', 'branch', 'test'] as const;
  return (
    <table className="hf-table hf-cards hf-repos">
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`addRepo.${column}`)}
            </th>
          ))}
          {props.mayWrite && (
            <th scope="col">
              <span className="hf-visually-hidden">{t('repos.actions')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {props.repos.map(repo => (
          <tr key={repo.id}>
            <td>
              <Link to="/tasks" search={{ repo: repo.id }} className="hf-strong-link">
                {repo.name}
              </Link>
            </td>
            <td data-label={t('addRepo.where')} className="hf-repo-where">
              {repo.url ?? repo.path}
            </td>
            <td data-label={t('addRepo.branch')}>
              {repo.default_branch ?? <span className="hf-soft">{t('repos.remoteBranch')}</span>}
            </td>
            <td data-label={t('addRepo.test')}>
              {repo.test_command === null ? (
                <span className="hf-soft">{t('repos.noTest')}</span>
              ) : (
                <code>{repo.test_command}</code>
              )}
            </td>
            {props.mayWrite && (
              <td>
                <Actions {...props} repo={repo} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Actions(props: {
  repo: Repo;
  onEdit: (repo: Repo) => void;
  onArchive: (repo: Repo) => void;
}) {
  const { t } = useTranslation('tasks');
  const { repo } = props;
  const { name } = repo;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap" className="hf-row-actions">
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('editRepo.title', { name })}
        onClick={() => props.onEdit(repo)}
      >
        {t('editRepo.button')}
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('repos.archiveName', { name })}
        onClick={() => props.onArchive(repo)}
      >
        {t('repos.archive')}
      </Button>
    </Group>
  );
}
