import home from '../home/en.json' with { type: 'json' };
import recordings from '../recordings/en.json' with { type: 'json' };
import sessions from '../sessions/en.json' with { type: 'json' };
import settings from '../settings/en.json' with { type: 'json' };
import shell from '../shell/en.json' with { type: 'json' };
import timeline from '../timeline/en.json' with { type: 'json' };
import ui from '../ui/en.json' with { type: 'json' };
import voice from '../voice/en.json' with { type: 'json' };

export const resources = { home, recordings, sessions, settings, shell, timeline, ui, voice };
