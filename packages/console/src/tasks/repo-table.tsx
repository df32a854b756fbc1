import type { Repo } from '@holdfast/protocol';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { RowActions } from '../ui/row-actions.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import shared from './tasks.module.css';

/** Every repository with its address, branch and test command; its name links to its tasks. */
export function RepoTable(props: {
  repos: readonly Repo[];
  mayChange: (repo: Repo) => boolean;
  onEdit: (repo: Repo) => void;
  onArchive: (repo: Repo) => void;
}) {
  const { t } = useTranslation('tasks');
  const columns = ['name', 'where', 'branch', 'test'] as const;
  return (
    <table className={`${tables.table} ${tables.cards} ${shared.repos}`}>
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`addRepo.${column}`)}
            </th>
          ))}
          {props.repos.some(props.mayChange) && (
            <th scope="col">
              <span className={typography.visuallyHidden}>{t('repos.actions')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {props.repos.map(repo => (
          <tr key={repo.id}>
            <td>
              <Link to="/tasks" search={{ repo: repo.id }} className={typography.strongLink}>
                {repo.name}
              </Link>
            </td>
            <td data-label={t('addRepo.where')} className={shared.repoWhere}>
              {repo.url ?? repo.path}
            </td>
            <td data-label={t('addRepo.branch')}>
              {repo.default_branch ?? (
                <span className={typography.soft}>{t('repos.remoteBranch')}</span>
              )}
            </td>
            <td data-label={t('addRepo.test')}>
              {repo.test_command === null ? (
                <span className={typography.soft}>{t('repos.noTest')}</span>
              ) : (
                <code>{repo.test_command}</code>
              )}
            </td>
            {props.mayChange(repo) && (
              <td>
                <RowActions
                  actions={[
                    {
                      text: t('editRepo.button'),
                      label: t('editRepo.title', { name: repo.name }),
                      act: () => props.onEdit(repo),
                    },
                    {
                      text: t('repos.archive'),
                      label: t('repos.archiveName', { name: repo.name }),
                      act: () => props.onArchive(repo),
                    },
                  ]}
                />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
