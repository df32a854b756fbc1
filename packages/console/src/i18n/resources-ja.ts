import home from '../home/ja.json' with { type: 'json' };
import queue from '../queue/ja.json' with { type: 'json' };
import recordings from '../recordings/ja.json' with { type: 'json' };
import sessions from '../sessions/ja.json' with { type: 'json' };
import settings from '../settings/ja.json' with { type: 'json' };
import shell from '../shell/ja.json' with { type: 'json' };
import tasks from '../tasks/ja.json' with { type: 'json' };
import timeline from '../timeline/ja.json' with { type: 'json' };
import ui from '../ui/ja.json' with { type: 'json' };
import voice from '../voice/ja.json' with { type: 'json' };

export const resources = {
  home,
  queue,
  recordings,
  sessions,
  settings,
  shell,
  tasks,
  timeline,
  ui,
  voice,
};
