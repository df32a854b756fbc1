import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from '@tanstack/react-router';
import { NotFound, PageError, PagePending } from '../shell/fallbacks.tsx';
import { Shell } from '../shell/shell.tsx';
import { detailSearch, listSearch, taskSearch, tasksSearch } from './search.ts';

/** The addresses of the console. Each page is a chunk of its own, loaded when it is first shown. */
const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: lazyRouteComponent(() => import('../home/home-page.tsx'), 'HomePage'),
});

const voice = createRoute({
  getParentRoute: () => root,
  path: '/voice',
  component: lazyRouteComponent(() => import('../voice/voice-page.tsx'), 'VoicePage'),
});

const sessions = createRoute({
  getParentRoute: () => root,
  path: '/sessions',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../sessions/sessions-page.tsx'), 'SessionsPage'),
});

const session = createRoute({
  getParentRoute: () => root,
  path: '/sessions/$id',
  validateSearch: detailSearch,
  component: lazyRouteComponent(() => import('../sessions/session-page.tsx'), 'SessionPage'),
});

const tasks = createRoute({
  getParentRoute: () => root,
  path: '/tasks',
  validateSearch: tasksSearch,
  component: lazyRouteComponent(() => import('../tasks/tasks-page.tsx'), 'TasksPage'),
});

const task = createRoute({
  getParentRoute: () => root,
  path: '/tasks/$id',
  validateSearch: taskSearch,
  component: lazyRouteComponent(() => import('../tasks/task-page.tsx'), 'TaskPage'),
});

const repos = createRoute({
  getParentRoute: () => root,
  path: '/tasks/repos',
  component: lazyRouteComponent(() => import('../tasks/repos-page.tsx'), 'ReposPage'),
});

const queue = createRoute({
  getParentRoute: () => root,
  path: '/queue',
  component: lazyRouteComponent(() => import('../queue/queue-page.tsx'), 'QueuePage'),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: '/settings',
  component: lazyRouteComponent(() => import('../settings/settings-page.tsx'), 'SettingsPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    voice,
    sessions,
    session,
    tasks,
    task,
    repos,
    queue,
    settings,
  ]),
  defaultPreload: 'intent',
  defaultPendingComponent: PagePending,
  defaultErrorComponent: PageError,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
