import home from '../home/en.json' with { type: 'json' };
import queue from '../queue/en.json' with { type: 'json' };
import recordings from '../recordings/en.json' with { type: 'json' };
import sessions from '../sessions/en.json' with { type: 'json' };
import settings from '../settings/en.json' with { type: 'json' };
import shell from '../shell/en.json' with { type: 'json' };
import tasks from '../tasks/en.json' with { type: 'json' };
import timeline from '../timeline/en.json' with { type: 'json' };
import ui from '../ui/en.json' with { type: 'json' };
import voice from '../voice/en.json' with { type: 'json' };

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
