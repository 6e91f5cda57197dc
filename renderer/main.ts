// Starts the window: the theme before anything is drawn, the connection, then the frame.

import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { connect } from './api.ts';
import { router } from './router.ts';
import { useToasts } from './stores/toasts.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import { setTheme } from './theme.ts';

setTheme('system');
void connect(); // takes the token out of the address before the router reads it

const app = createApp(App);
app.use(createPinia());
app.use(router);
app.config.errorHandler = (error) => {
  console.error(error);
  useToasts().fault(error);
};
window.addEventListener('unhandledrejection', (event) => useToasts().fault(event.reason));
app.mount('#app');
